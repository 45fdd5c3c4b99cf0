//! The rules of AWS for the issuer of a token. IAM identity providers exist only for public https URLs without a port.
//! [CreateOpenIDConnectProvider](https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateOpenIDConnectProvider.html).

use std::net::IpAddr;

/// What to do about an issuer that AWS cannot use.
pub(crate) const ISSUER_HELP: [&str; 2] = [
    "set --service-account-issuer of the API server to a public https URL (kubeadm, and kubeadmConfigPatches of kind: \
     apiServer.extraArgs in ClusterConfiguration; k3s: --kube-apiserver-arg=service-account-issuer=URL; kops: \
     spec.serviceAccountIssuerDiscovery), publish URL/.well-known/openid-configuration and the key set (`kubectl get --raw \
     /openid/v1/jwks`) below it, and repeat this command with a new token",
    "or start the chain without this token: a profile with a credential_source (the role of the node, EKS Pod Identity) or a \
     credential_process (IAM Roles Anywhere) can assume the role in the other account",
];

/// Names that public DNS does not have: those of a cluster and those that are reserved for private networks.
const PRIVATE_SUFFIXES: [&str; 9] =
    [".svc", ".cluster.local", ".local", ".localhost", ".internal", ".home.arpa", ".lan", ".test", ".invalid"];

/// Returns why AWS cannot use the issuer, as a clause; `None` if it breaks no rule.
pub(super) fn problem(issuer: &str) -> Option<&'static str> {
    let Some(rest) = issuer.strip_prefix("https://") else { return Some("it is not an https URL") };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if is_address(authority) {
        return Some("its host is an IP address");
    }
    let (host, port) = authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port)));
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    if !host.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| host.ends_with(suffix)) {
        return Some("its host is not a public name");
    }
    if port.is_some() {
        return Some("it has a port");
    }
    rest.contains(['?', '#', '@']).then_some("it has a user name, a query or a fragment")
}

/// Returns true if the issuer's host is this machine, as in a simulated AWS.
pub(super) fn is_loopback(issuer: &str) -> bool {
    let authority = issuer.split_once("://").map_or("", |(_, rest)| rest).split('/').next().unwrap_or_default();
    authority.starts_with("localhost") || address(authority).is_some_and(|address| address.is_loopback())
}

fn is_address(authority: &str) -> bool {
    address(authority).is_some()
}

/// Returns the IP address of an authority, which can have a port.
fn address(authority: &str) -> Option<IpAddr> {
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    host.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_public_https_urls_without_a_port_are_usable() {
        for issuer in [
            "https://oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLED539D4633E53DE1B71EXAMPLE",
            "https://s3.eu-west-1.amazonaws.com/bucket",
            "https://issuer.example.com",
        ] {
            assert_eq!(problem(issuer), None, "{issuer}");
        }
        for (issuer, reason) in [
            ("https://kubernetes.default.svc.cluster.local", "public name"),
            ("https://kubernetes.default.svc", "public name"),
            ("https://kubernetes.default.svc:443/", "public name"),
            ("https://kubernetes", "public name"),
            ("https://api.internal./x", "public name"),
            ("https://10.0.0.1:6443", "IP address"),
            ("https://[fd00::1]:6443/path", "IP address"),
            ("https://issuer.example:8443", "port"),
            ("http://issuer.example.com", "https"),
            ("kubernetes/serviceaccount", "https"),
            ("https://issuer.example.com/?a=b", "query"),
        ] {
            assert!(problem(issuer).is_some_and(|problem| problem.contains(reason)), "{issuer}: {:?}", problem(issuer));
        }
        assert!(
            is_loopback("http://127.0.0.1:1234") && is_loopback("http://[::1]:1/") && is_loopback("https://localhost")
        );
        assert!(!is_loopback("https://10.0.0.1:6443") && !is_loopback("https://kubernetes.default.svc"));
    }
}
