//! The claims of a token, decoded for messages, the role session name and session tags. They are never trusted.
//!
//! Registered claims: [RFC 7519](https://www.rfc-editor.org/rfc/rfc7519#section-4.1). Kubernetes claims:
//! [service account tokens](https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens).

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::issuer;
use crate::arn::SessionName;

/// The claims that credvend reads.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Claims {
    /// The issuer: for Kubernetes, the cluster's OIDC issuer URL.
    #[serde(rename = "iss", default)]
    pub(crate) issuer: String,
    /// The subject: for Kubernetes, `system:serviceaccount:NAMESPACE:NAME`.
    #[serde(rename = "sub", default)]
    pub(crate) subject: String,
    #[serde(rename = "aud", default)]
    pub(crate) audience: Audience,
    #[serde(rename = "exp")]
    expiry: Option<f64>,
    #[serde(rename = "iat")]
    issued_at: Option<f64>,
    /// The private claim of Kubernetes service account tokens.
    #[serde(rename = "kubernetes.io")]
    pub(crate) kubernetes: Option<Kubernetes>,
}

/// One audience or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    /// `"aud": "…"`
    One(String),
    /// `"aud": ["…"]`
    Several(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Audience {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}

/// The claim `kubernetes.io` of a bound service account token.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Kubernetes {
    pub(crate) namespace: Option<String>,
    /// The pod that the token is bound to.
    pub(crate) pod: Option<Bound>,
    #[serde(rename = "serviceaccount")]
    pub(crate) service_account: Option<Bound>,
}

/// A reference to a Kubernetes object.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Bound {
    pub(crate) name: String,
    pub(crate) uid: Option<String>,
}

impl Claims {
    /// Returns why AWS cannot use the issuer, as a clause, or `None` if it can. `is_aws` tells whether the STS is that of AWS: a
    /// simulated AWS accepts an issuer on its own machine.
    pub(crate) fn issuer_problem(&self, is_aws: bool) -> Option<&'static str> {
        issuer::problem(&self.issuer).filter(|_| is_aws || !issuer::is_loopback(&self.issuer))
    }

    /// Returns the expiry, or `None` if the claim is missing or out of range.
    pub(crate) fn expiry(&self) -> Option<SystemTime> {
        time_from(self.expiry)
    }

    /// Returns the time of issue, or `None` if the claim is missing or out of range.
    pub(crate) fn issued_at(&self) -> Option<SystemTime> {
        time_from(self.issued_at)
    }

    /// Returns the namespace and name of the service account from the subject.
    pub(crate) fn service_account(&self) -> Option<(&str, &str)> {
        self.subject.strip_prefix("system:serviceaccount:")?.split_once(':')
    }

    /// Returns the default role session name: `<namespace>-<pod>`, or the subject if the token is not bound to a pod.
    /// Characters that STS does not allow are replaced.
    pub(crate) fn session_name(&self) -> SessionName {
        let kubernetes = self.kubernetes.as_ref();
        let namespace = kubernetes.and_then(|claim| claim.namespace.as_deref());
        let pod = kubernetes.and_then(|claim| claim.pod.as_ref());
        match (namespace, pod) {
            (Some(namespace), Some(pod)) => SessionName::mapped_from(&format!("{namespace}-{}", pod.name)),
            _ => SessionName::mapped_from(&self.subject),
        }
    }
}

fn time_from(seconds: Option<f64>) -> Option<SystemTime> {
    let since_epoch = Duration::try_from_secs_f64(seconds?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(since_epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_session_name_is_built_from_namespace_and_pod() {
        let name = |claims: &str| serde_json::from_str::<Claims>(claims).expect("claims").session_name();
        let pod = r#"{"kubernetes.io":{"namespace":"shop","pod":{"name":"checkout-5d","uid":"1"}}}"#;
        assert_eq!(name(pod).as_str(), "shop-checkout-5d");
        assert_eq!(name(r#"{"sub":"repo:org/app"}"#).as_str(), "repo-org-app");
        assert_eq!(name("{}").as_str(), "credvend");
    }
}
