//! The hosts that name a listener, written independently of the guards under test.

use std::net::SocketAddr;

/// Returns true if proxies or browsers send a header of this name. No AWS SDK sends one to a credentials endpoint.
pub fn is_foreign(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let names = [
        "forwarded",
        "via",
        "x-real-ip",
        "x-client-ip",
        "true-client-ip",
        "x-original-forwarded-for",
        "origin",
        "referer",
    ];
    names.contains(&&*name) || name.starts_with("x-forwarded") || name.starts_with("sec-fetch-")
}

/// Returns true if `host` names a listener on `address`.
pub fn names(address: SocketAddr, host: &[u8]) -> bool {
    let port = address.port();
    let ip = address.ip().to_string();
    let mut names =
        vec![ip.clone(), "127.0.0.1".to_owned(), "localhost".to_owned(), "::1".to_owned(), "[::1]".to_owned()];
    names.extend([format!("127.0.0.1:{port}"), format!("localhost:{port}"), format!("[::1]:{port}")]);
    names.extend(if address.is_ipv6() {
        vec![format!("[{ip}]"), format!("[{ip}]:{port}")]
    } else {
        vec![format!("{ip}:{port}")]
    });
    names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(host))
}

/// Returns the authority of a request target in absolute form or, for a target without a slash, the target itself.
pub fn authority(target: &str) -> Option<&str> {
    match target.split_once("://") {
        Some((scheme, rest)) if !scheme.contains(['/', '?']) => {
            Some(rest.split(['/', '?', '#']).next().unwrap_or_default())
        }
        _ => (!target.starts_with('/') && target != "*").then_some(target),
    }
}
