//! What went wrong between credvend and STS, sorted by what the caller does about it.
//!
//! What a refusal's code means is decided in one place, [`cause`](super::cause); here, what follows from it.

use std::time::SystemTime;

use super::{Endpoint, refusal::Refusal};

/// Why a call brought no credentials.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StsError {
    /// No answer came. Try again later.
    #[error("STS at {host} was not reached: {why}")]
    NotReached {
        /// Host and port.
        host: String,
        /// The cause.
        why: String,
    },
    /// What came is no answer to the question. Try again later.
    #[error("STS at {host} gave no valid answer: {why}")]
    NotAnAnswer {
        /// Host and port.
        host: String,
        /// What came instead.
        why: String,
    },
    /// STS answered with an error. [`Refusal::recovery`] says what to do.
    #[error("{0}")]
    Refused(Refusal),
}

impl StsError {
    pub(super) fn not_reached(endpoint: &Endpoint, why: impl Into<String>) -> Self {
        Self::NotReached { host: host_of(endpoint), why: why.into() }
    }

    pub(super) fn not_an_answer(endpoint: &Endpoint, why: impl Into<String>) -> Self {
        Self::NotAnAnswer { host: host_of(endpoint), why: why.into() }
    }

    pub(super) fn date(&self) -> Option<SystemTime> {
        match self {
            Self::Refused(refusal) => refusal.date,
            _ => None,
        }
    }
}

/// Host and port of an endpoint: without a user's name or password that a URL may hold.
fn host_of(endpoint: &Endpoint) -> String {
    let after_scheme = endpoint.url.split_once("://").map_or(&*endpoint.url, |(_, rest)| rest);
    let authority = after_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_without_what_a_url_may_hide() {
        let endpoint = Endpoint { url: "https://user:word@sts.local:8443/path".into(), signing_region: String::new() };
        assert_eq!(host_of(&endpoint), "sts.local:8443");
    }
}
