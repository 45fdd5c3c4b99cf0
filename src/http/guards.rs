//! Guards that reject requests before they reach a handler.
//!
//! Input: a request and the listener's addresses. Output: nothing, or a [`Rejection`]. The guards protect from
//! requests that do not come from an SDK in this pod: a browser under a DNS rebinding attack sends a foreign `Host`, a
//! browser that follows a link or a script adds `Origin`, `Referer` or `Sec-Fetch-Site`, and a proxy that is misused for
//! request forgery adds `X-Forwarded-For` or a similar header.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use hyper::{
    Method, Request, StatusCode,
    header::{self, HeaderValue},
};

use crate::http::rejection::Rejection;

/// Headers of proxies and browsers. No AWS SDK sends them to a credentials endpoint.
const REFUSED_HEADERS: [&str; 8] =
    ["forwarded", "via", "x-real-ip", "x-client-ip", "true-client-ip", "origin", "referer", "x-original-forwarded-for"];
/// Prefixes of such headers: `X-Forwarded-For` and its relatives, `Sec-Fetch-Site` and its relatives.
const REFUSED_PREFIXES: [&str; 2] = ["x-forwarded", "sec-fetch-"];
/// The first characters of these names and prefixes, as bits. Most headers of SDKs start with another one.
const REFUSED_INITIALS: u128 = initials(&REFUSED_HEADERS) | initials(&REFUSED_PREFIXES);

const fn initials(names: &[&str]) -> u128 {
    let (mut bits, mut index) = (0, 0);
    while index < names.len() {
        bits |= 1 << names[index].as_bytes()[0];
        index += 1;
    }
    bits
}

/// The address that a listener was bound to, possibly unspecified (`0.0.0.0` or `::`).
pub(crate) struct BoundAddress {
    address: SocketAddr,
    /// The address as most clients send it in the Host header.
    text: String,
}

impl From<SocketAddr> for BoundAddress {
    fn from(address: SocketAddr) -> Self {
        Self { address, text: address.to_string() }
    }
}

/// Rejects requests that fail [`check_origin`] or do not use GET.
pub(crate) fn check<B>(request: &Request<B>, bound: &BoundAddress, local: SocketAddr) -> Result<(), Rejection> {
    check_origin(request, bound, local)?;
    if request.method() != Method::GET {
        return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; use GET"));
    }
    Ok(())
}

/// Rejects requests with a foreign, missing or repeated Host header, and requests from proxies and browsers.
///
/// `local` is the address that accepted the connection.
pub(crate) fn check_origin<B>(request: &Request<B>, bound: &BoundAddress, local: SocketAddr) -> Result<(), Rejection> {
    let host = single_host(request)?;
    // An absolute request target contains a host, which must be valid too.
    let target = request.uri().authority().map(|authority| authority.as_str());
    let is_ours = |name: &str| is_this_endpoint(name, bound, local);
    if !(host.to_str().is_ok_and(is_ours) && target.is_none_or(is_ours)) {
        return Err(Rejection::new(StatusCode::FORBIDDEN, "the Host header does not name this endpoint"));
    }
    check_headers(request)
}

/// Rejects requests whose Host header is a name, other than `localhost`: a browser under a DNS rebinding attack sends one. Also
/// rejects requests from proxies and browsers. This is for requests through a forwarded port, which changes the port.
pub(crate) fn check_client<B>(request: &Request<B>) -> Result<(), Rejection> {
    let host = single_host(request)?;
    let is_address = |name: &str| parse_host(name).is_some();
    if !host.to_str().is_ok_and(is_address) {
        let message = "without an authorization token, the Host header must be an address or localhost";
        return Err(Rejection::new(StatusCode::FORBIDDEN, message));
    }
    check_headers(request)
}

/// Returns the value of the Host header.
///
/// # Errors
/// Rejects requests without a Host header, and with several.
fn single_host<B>(request: &Request<B>) -> Result<&HeaderValue, Rejection> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => Ok(host),
        _ => Err(Rejection::new(StatusCode::BAD_REQUEST, "exactly one Host header is required")),
    }
}

/// Rejects requests with a header of proxies and browsers.
fn check_headers<B>(request: &Request<B>) -> Result<(), Rejection> {
    if let Some(name) = request.headers().keys().map(|name| name.as_str()).find(|name| is_refused(name)) {
        let message = format!("requests with the header {name} are refused: they come from a proxy or a browser");
        return Err(Rejection::new(StatusCode::FORBIDDEN, message));
    }
    Ok(())
}

/// Returns true for the name of a header of proxies and browsers.
fn is_refused(name: &str) -> bool {
    // Names are ASCII.
    let has_initial = name.bytes().next().is_some_and(|byte| REFUSED_INITIALS >> (byte & 127) & 1 == 1);
    has_initial && (REFUSED_HEADERS.contains(&name) || REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)))
}

/// Returns true if `name` names the listener: one of its addresses, or a loopback address or name, with the listener's port or
/// without a port. The AWS Common Runtime sends the address without the port. A browser always sends a port other than 80.
fn is_this_endpoint(name: &str, bound: &BoundAddress, local: SocketAddr) -> bool {
    if name == bound.text {
        return true;
    }
    // A listener on `::` accepts IPv4 connections with mapped addresses.
    let own = |ip: IpAddr| {
        [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)].contains(&ip)
            || [bound.address, local].iter().any(|address| address.ip().to_canonical() == ip)
    };
    match parse_host(name) {
        Some((host, port)) => host.is_none_or(own) && port.is_none_or(|port| port == local.port()),
        None => false,
    }
}

/// Parses a Host header: an address, or `None` for `localhost`, and the port if there is one. An IPv4-mapped address is the IPv4
/// address. An IPv6 address without a port may lack its brackets.
fn parse_host(name: &str) -> Option<(Option<IpAddr>, Option<u16>)> {
    if let Ok(address) = name.parse::<SocketAddr>() {
        return Some((Some(address.ip().to_canonical()), Some(address.port())));
    }
    let address = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(address) => address.parse().map(IpAddr::V6),
        None => name.parse::<IpAddr>(),
    };
    if let Ok(address) = address {
        return Some((Some(address.to_canonical()), None));
    }
    let (host, port) = match name.split_once(':') {
        // The parser of numbers accepts a sign.
        Some((_, port)) if port.starts_with('+') => return None,
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (name, None),
    };
    host.eq_ignore_ascii_case("localhost").then_some((None, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &[&str], method: Method, forwarded: bool) -> u16 {
        let mut request = Request::builder().method(method).uri("/v1/credentials");
        for host in hosts {
            request = request.header(header::HOST, *host);
        }
        if forwarded {
            request = request.header("x-forwarded-for", "");
        }
        let address: SocketAddr = "127.0.0.1:9911".parse().expect("an address");
        let request = request.body(()).expect("a request");
        check(&request, &address.into(), address).map_or_else(|rejection| rejection.status.as_u16(), |()| 200)
    }

    #[test]
    fn host_header_must_name_this_endpoint() {
        for host in ["127.0.0.1:9911", "localhost:9911", "LOCALHOST:9911", "[::1]:9911", "[::ffff:127.0.0.1]:9911"] {
            assert_eq!(status(&[host], Method::GET, false), 200, "{host}");
        }
        for host in ["127.0.0.1", "localhost", "::1", "[::1]", "::ffff:127.0.0.1", "[::ffff:127.0.0.1]"] {
            assert_eq!(status(&[host], Method::GET, false), 200, "without the port: {host}");
        }
        let addresses = ["127.0.0.2", "127.0.0.2:9911", "127.1", "[::2]", "[127.0.0.1]:9911", "::ffff:10.0.0.7"];
        let ports = ["127.0.0.1:80", "localhost:80", "[::1]:80", "127.0.0.1:", "localhost:", "localhost:+9911"];
        let names = [
            "evil.example",
            "evil.example:9911",
            "127.0.0.1.evil.example",
            "localhost.",
            "127.0.0.1:9911@evil",
            "",
            "é",
        ];
        for host in [&addresses[..], &ports, &names].concat() {
            assert_eq!(status(&[host], Method::GET, false), 403, "{host}");
        }
        assert_eq!(status(&[], Method::GET, false), 400);
        assert_eq!(status(&["127.0.0.1:9911", "127.0.0.1:9911"], Method::GET, false), 400);
    }

    #[test]
    fn host_can_be_the_address_of_the_listener() {
        let is = |name: &str, bound: &str, local: &str| {
            let bound: SocketAddr = bound.parse().expect("an address");
            is_this_endpoint(name, &bound.into(), local.parse().expect("an address"))
        };
        let ecs = |name| is(name, "169.254.170.2:80", "169.254.170.2:80");
        assert!(ecs("169.254.170.2") && ecs("169.254.170.2:80") && ecs("localhost") && !ecs("169.254.170.23"));
        let ipv6 = |name| is(name, "[fd00:ec2::23]:80", "[fd00:ec2::23]:80");
        assert!(ipv6("[fd00:ec2::23]") && ipv6("[fd00:ec2::23]:80") && ipv6("fd00:ec2::23") && !ipv6("[fd00:ec2::24]"));
        let mapped = |name| is(name, "[::]:9911", "[::ffff:10.0.0.7]:9911");
        assert!(mapped("10.0.0.7:9911") && mapped("10.0.0.7") && !mapped("10.0.0.8:9911"));
        assert!(mapped("[::ffff:10.0.0.7]:9911") && mapped("::ffff:a00:7") && !mapped("[::ffff:10.0.0.8]"));
    }

    #[test]
    fn forwarded_requests_and_other_methods_are_refused() {
        assert_eq!(status(&["127.0.0.1:9911"], Method::GET, true), 403);
        for method in [Method::POST, Method::PUT, Method::HEAD, Method::OPTIONS] {
            assert_eq!(status(&["127.0.0.1:9911"], method, false), 405);
        }
    }

    #[test]
    fn headers_of_proxies_and_browsers_are_refused_and_those_of_sdks_are_not() {
        let refused = ["forwarded", "via", "x-real-ip", "true-client-ip", "origin", "referer", "x-forwarded-proto"];
        for name in refused.into_iter().chain(["sec-fetch-mode"]).chain(REFUSED_HEADERS) {
            assert!(is_refused(name), "{name}");
        }
        for name in ["host", "accept", "user-agent", "x-amz-date", "x-aws-ec2-metadata-token", "range", "te", "x"] {
            assert!(!is_refused(name), "{name}");
        }
    }

    #[test]
    fn absolute_request_target_must_name_this_endpoint() {
        let address: SocketAddr = "127.0.0.1:9911".parse().expect("an address");
        let request = |target: &str| {
            let request =
                Request::builder().uri(target).header(header::HOST, "127.0.0.1:9911").body(()).expect("a request");
            check(&request, &address.into(), address).is_ok()
        };
        assert!(request("http://127.0.0.1:9911/v1/credentials") && !request("http://evil.example/v1/credentials"));
    }
}
