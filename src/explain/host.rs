//! Hosts of URLs.

use std::net::IpAddr;

use http::Uri;

/// Returns the host of a URL, without the brackets of an IPv6 address.
pub(super) fn of_url(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    uri.scheme()?;
    Some(uri.host()?.trim_matches(['[', ']']).to_owned())
}

/// Returns true for an address of the loopback interface and for `localhost`.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
