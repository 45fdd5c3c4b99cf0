//! The STS actions that this server implements.

/// An STS action, as named in the `Action` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    AssumeRole,
    AssumeRoleWithWebIdentity,
    GetCallerIdentity,
}

impl Action {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::AssumeRole, Self::AssumeRoleWithWebIdentity, Self::GetCallerIdentity]
            .into_iter()
            .find(|action| action.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }

    /// Returns the names of the response's root element and of the result element in it.
    pub(crate) fn response_elements(self) -> (&'static str, &'static str) {
        match self {
            Self::AssumeRole => ("AssumeRoleResponse", "AssumeRoleResult"),
            Self::AssumeRoleWithWebIdentity => ("AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult"),
            Self::GetCallerIdentity => ("GetCallerIdentityResponse", "GetCallerIdentityResult"),
        }
    }
}
