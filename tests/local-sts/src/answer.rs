//! Success answers.

use crate::clock;
use crate::session::{IssuedCredentials, Session};
use crate::xml::{self, Element};

/// The actions this server knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    AssumeRole,
    AssumeRoleWithWebIdentity,
    GetCallerIdentity,
}

impl Action {
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::AssumeRole, Self::AssumeRoleWithWebIdentity, Self::GetCallerIdentity]
            .into_iter()
            .find(|action| action.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AssumeRole => "AssumeRole",
            Self::AssumeRoleWithWebIdentity => "AssumeRoleWithWebIdentity",
            Self::GetCallerIdentity => "GetCallerIdentity",
        }
    }
}

/// What an action results in.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) action: Action,
    credentials: Option<IssuedCredentials>,
    expiration: Option<i64>,
    elements: Vec<Element>,
}

impl Answer {
    /// Credentials for a session. `packed_size` is the percentage of the room for policies and tags in use.
    pub(crate) fn assumed(
        action: Action,
        credentials: IssuedCredentials,
        session: &Session,
        packed_size: Option<u64>,
        others: Vec<Element>,
    ) -> Self {
        let user = vec![Element::text("AssumedRoleId", session.id()), Element::text("Arn", session.arn())];
        let mut elements = vec![Element::parent("AssumedRoleUser", user)];
        elements.extend(packed_size.map(|percent| Element::text("PackedPolicySize", percent.to_string())));
        elements.extend(session.source_identity.as_ref().map(|identity| Element::text("SourceIdentity", identity)));
        elements.extend(others);
        Self { action, expiration: Some(credentials.expires_at), credentials: Some(credentials), elements }
    }

    pub(crate) fn identity(arn: &str, user_id: &str, account: &str) -> Self {
        let elements =
            vec![Element::text("Arn", arn), Element::text("UserId", user_id), Element::text("Account", account)];
        Self { action: Action::GetCallerIdentity, credentials: None, expiration: None, elements }
    }

    /// Makes the answer tell another `Expiration` than the true one, or none.
    pub(crate) fn set_expiration(&mut self, expiration: Option<i64>) {
        self.expiration = expiration;
    }

    pub(crate) fn to_xml(&self, request_id: &str) -> String {
        let name = self.action.name();
        let mut result = self.elements.clone();
        if let Some(credentials) = &self.credentials {
            let mut parts = vec![
                Element::text("AccessKeyId", &credentials.access_key_id),
                Element::text("SecretAccessKey", &credentials.secret_access_key),
                Element::text("SessionToken", &credentials.session_token),
            ];
            parts.extend(self.expiration.map(|at| Element::text("Expiration", clock::iso(at))));
            result.push(Element::parent("Credentials", parts));
        }
        // Element names are static: the two that depend on the action are looked up.
        let (root, inner) = match self.action {
            Action::AssumeRole => ("AssumeRoleResponse", "AssumeRoleResult"),
            Action::AssumeRoleWithWebIdentity => {
                ("AssumeRoleWithWebIdentityResponse", "AssumeRoleWithWebIdentityResult")
            }
            Action::GetCallerIdentity => ("GetCallerIdentityResponse", "GetCallerIdentityResult"),
        };
        debug_assert!(root.starts_with(name) && inner.starts_with(name));
        let metadata = Element::parent("ResponseMetadata", vec![Element::text("RequestId", request_id)]);
        xml::document(root, &[Element::parent(inner, result), metadata])
    }
}
