//! Whether a proxy catches the requests for credentials.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    Note, Surroundings,
    host::is_loopback,
    sdks::{Quirks, Sdk},
};

/// Returns a note if `sdk` sends its requests to `host` to a proxy.
pub(super) fn fault(sdk: &Sdk, surroundings: &Surroundings<'_>, host: &str) -> Option<Note> {
    let names: &[&str] = match () {
        () if sdk.has(Quirks::LOWER_CASE_PROXY) => &["http_proxy", "all_proxy", "ALL_PROXY"],
        // urllib3 and Go look up the proxy of the scheme only.
        () if sdk.has(Quirks::NO_NETWORKS) || sdk.has(Quirks::NO_PROXY_FOR_LOOPBACK) => &["http_proxy", "HTTP_PROXY"],
        () => &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    };
    if sdk.has(Quirks::NO_PROXY_FOR_LOOPBACK) && is_loopback(host) {
        return None;
    }
    let (name, _) = surroundings.first_of(names)?;
    let (_, exceptions) = surroundings.first_of(&["no_proxy", "NO_PROXY"]).unwrap_or_default();
    let understands_networks = !sdk.has(Quirks::NO_NETWORKS);
    let is_exempt = exceptions.split([',', ' ']).any(|entry| matches(entry.trim(), host, understands_networks));
    if is_exempt {
        return None;
    }
    Some(Note::new(
        format!("{name} catches the requests to {host}, with their authorization token"),
        "add 127.0.0.1, localhost, 169.254.170.2 and 169.254.169.254 to NO_PROXY and no_proxy",
    ))
}

/// Returns true if an entry of `NO_PROXY` covers `host`.
fn matches(entry: &str, host: &str, understands_networks: bool) -> bool {
    if entry == "*" || entry.trim_matches(['[', ']']) == host {
        return true;
    }
    match (entry.split_once('/'), host.parse::<IpAddr>()) {
        (Some((network, length)), Ok(IpAddr::V4(host))) if understands_networks => {
            let (Ok(network), Ok(length @ 0..=32)) = (network.parse::<Ipv4Addr>(), length.parse::<u32>()) else {
                return false;
            };
            let shift = 32 - length;
            u32::from(host).checked_shr(shift) == u32::from(network).checked_shr(shift)
        }
        (None, Err(_)) => {
            let domain = entry.trim_start_matches('.');
            !domain.is_empty() && host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn entries_of_no_proxy_cover_hosts() {
        for (entry, host, with_networks, without_networks) in [
            ("127.0.0.1", "127.0.0.1", true, true),
            ("*", "127.0.0.1", true, true),
            ("127.0.0.0/8", "127.0.0.1", true, false),
            ("0.0.0.0/0", "127.0.0.1", true, false),
            ("10.0.0.0/8", "127.0.0.1", false, false),
            ("127.0.0.0/33", "127.0.0.1", false, false),
            ("localhost", "127.0.0.1", false, false),
            ("localhost", "localhost", true, true),
            (".example.com", "a.example.com", true, true),
            ("example.com", "notexample.com", false, false),
            ("[::1]", "::1", true, true),
            ("", "localhost", false, false),
        ] {
            assert_eq!(matches(entry, host, true), with_networks, "{entry} {host}");
            assert_eq!(matches(entry, host, false), without_networks, "{entry} {host}");
        }
    }
}
