//! Which credentials each AWS SDK would use in the surroundings of an application, and why.
//!
//! Input: the environment and the files of the application ([`Surroundings`]). Output: an [`Explanation`] for each SDK in
//! [`SDKS`]. Nothing here uses the network: the result says which source an SDK asks first, not whether that source answers.
//!
//! An SDK is a row of a table: its sources in order of precedence, the shared files that it reads, and its deviations as flags.
//! The first configured source wins. If it is clear that a source cannot work, some SDKs stop there and the others try the
//! next source.
//!
//! The orders were read in the source code of the SDKs. `tests/clients/explain` compares this module with the SDKs.

mod candidate;
mod endpoint;
mod host;
mod profile;
mod proxy;
mod sdks;
mod surroundings;

pub(crate) use sdks::{SDKS, Sdk};
pub(crate) use surroundings::Surroundings;

use candidate::Candidates;
use sdks::Quirks;

/// A place where an SDK finds credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Access keys in variables.
    Environment,
    /// A token file and a role in variables.
    WebIdentity,
    /// A role of a profile, assumed with the credentials of another source.
    Role,
    /// A token file and a role in a profile.
    ProfileWebIdentity,
    Sso,
    Login,
    Process,
    /// Access keys in one of the shared files.
    Keys,
    CredentialsFileKeys,
    ConfigFileKeys,
    Container,
    InstanceMetadata,
}

impl Source {
    /// Returns true if the source is in a profile of a shared file.
    fn is_of_profile(self) -> bool {
        use Source::*;
        matches!(self, Role | ProfileWebIdentity | Sso | Login | Process | Keys | CredentialsFileKeys | ConfigFileKeys)
    }

    /// Returns the name in the JSON output.
    pub(crate) fn id(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::WebIdentity | Self::ProfileWebIdentity => "web_identity",
            Self::Role => "role",
            Self::Sso => "sso",
            Self::Login => "login",
            Self::Process => "process",
            Self::Keys | Self::CredentialsFileKeys | Self::ConfigFileKeys => "keys",
            Self::Container => "container",
            Self::InstanceMetadata => "instance_metadata",
        }
    }

    /// Returns the name in the text output.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Environment => "environment keys",
            Self::WebIdentity => "web identity",
            Self::ProfileWebIdentity => "profile: web identity",
            Self::Role => "profile: role",
            Self::Sso => "profile: SSO",
            Self::Login => "profile: login session",
            Self::Process => "profile: process",
            Self::Keys | Self::CredentialsFileKeys | Self::ConfigFileKeys => "profile: keys",
            Self::Container => "container endpoint",
            Self::InstanceMetadata => "instance metadata",
        }
    }
}

/// A source that is configured for one SDK.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) source: Source,
    /// The variable, or the profile and its file.
    pub(crate) origin: String,
    /// The role of the credentials, if it is known without asking the source.
    pub(crate) role_arn: Option<String>,
    /// True if these credentials come from credvend.
    pub(crate) is_credvend: bool,
    /// Why the source cannot work, and what to do.
    pub(crate) fault: Option<Note>,
    /// True if the SDK then uses no source of the profile, and tries the next source.
    skips_profile: bool,
}

/// A remark and its help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) message: String,
    pub(crate) help: &'static str,
}

impl Note {
    fn new(message: impl Into<String>, help: &'static str) -> Self {
        Self { message: message.into(), help }
    }
}

/// What one SDK does.
#[derive(Debug)]
pub(crate) struct Explanation {
    pub(crate) sdk: &'static Sdk,
    /// The source that the SDK uses. `None` if there is no source.
    pub(crate) winner: Option<Candidate>,
    pub(crate) notes: Vec<Note>,
}

impl Explanation {
    /// Returns true if the SDK gets its credentials from credvend.
    pub(crate) fn uses_credvend(&self) -> bool {
        self.winner.as_ref().is_some_and(|winner| winner.is_credvend && winner.fault.is_none())
    }

    /// Returns true if the SDK finds a source and nothing is known that prevents it from working.
    pub(crate) fn works(&self) -> bool {
        self.winner.as_ref().is_some_and(|winner| winner.fault.is_none())
    }
}

/// Explains which source `sdk` uses.
pub(crate) fn explain(sdk: &'static Sdk, surroundings: &Surroundings) -> Explanation {
    let mut candidates = Candidates::new(sdk, surroundings);
    let mut notes = Vec::new();
    let mut winner = candidates.missing_profile();
    let mut has_failed_profile = false;
    for &source in sdk.order {
        if has_failed_profile && source.is_of_profile() {
            continue;
        }
        let Some(candidate) = candidates.find(source) else { continue };
        if let Some(winner) = &winner {
            if candidate.is_credvend && candidate.fault.is_none() && !winner.is_credvend {
                let message = format!("{} outranks {}", winner.origin, candidate.origin);
                notes.push(Note::new(message, help_against(winner.source)));
                break;
            }
            continue;
        }
        if let Some(fault) = &candidate.fault
            && (candidate.skips_profile || tries_next(sdk, source))
        {
            // Remember the fault: the SDK does not report it if a later source answers.
            notes.push(fault.clone());
            let is_last = candidate.skips_profile || sdk.has(Quirks::ONE_SOURCE_OF_PROFILE);
            has_failed_profile |= is_last && source.is_of_profile();
            continue;
        }
        winner = Some(candidate);
    }
    if let Some(fault) = winner.as_ref().and_then(|winner| winner.fault.clone()) {
        notes.push(fault);
    }
    notes.extend(candidates.into_notes());
    Explanation { sdk, winner, notes }
}

/// Returns true if `sdk` tries the next source if this one does not work.
fn tries_next(sdk: &Sdk, source: Source) -> bool {
    sdk.has(Quirks::FALLS_THROUGH)
        && match source {
            Source::Environment => false,
            Source::WebIdentity => !sdk.has(Quirks::WEB_IDENTITY_IS_FINAL),
            // The others ask instance metadata only if no container endpoint is configured.
            Source::Container => sdk.has(Quirks::METADATA_AFTER_CONTAINER),
            _ => true,
        }
}

/// Returns how to remove a source that outranks credvend's.
fn help_against(source: Source) -> &'static str {
    match source {
        Source::Environment => "unset the access keys in the environment",
        Source::WebIdentity => {
            "unset AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE; the EKS webhook omits them in containers that the annotation \
             eks.amazonaws.com/skip-containers names"
        }
        Source::Container => "unset the AWS_CONTAINER_CREDENTIALS_ variable",
        Source::InstanceMetadata => "set AWS_EC2_METADATA_DISABLED=true",
        _ => "select another profile, or remove these keys from the profile",
    }
}
