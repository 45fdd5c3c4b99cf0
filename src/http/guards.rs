//! Who is refused before anything is looked up.
//!
//! A browser that was talked into connecting here (DNS rebinding) sends a foreign name as its Host; a proxy that was talked into
//! it adds `X-Forwarded-For`. Neither is an SDK in this pod.

use std::net::SocketAddr;

use hyper::{Method, Request, StatusCode, header};

use crate::http::rejection::Rejection;

/// Refuses what no SDK in this pod sends, and everything but GET.
pub(crate) fn check<B>(request: &Request<B>, bound: SocketAddr, local: SocketAddr) -> Result<(), Rejection> {
    check_origin(request, bound, local)?;
    if request.method() != Method::GET {
        return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "GET is the only method"));
    }
    Ok(())
}

/// Refuses what no SDK in this pod sends.
pub(crate) fn check_origin<B>(request: &Request<B>, bound: SocketAddr, local: SocketAddr) -> Result<(), Rejection> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(Rejection::new(StatusCode::BAD_REQUEST, "exactly one Host header is needed"));
    };
    // An absolute target names a host of its own, which counts as well.
    let target = request.uri().authority().map(|authority| authority.as_str());
    let is_ours = |name: &str| is_this_endpoint(name, bound, local);
    if !(host.to_str().is_ok_and(is_ours) && target.is_none_or(is_ours)) {
        return Err(Rejection::new(StatusCode::FORBIDDEN, "the Host header does not name this endpoint"));
    }
    if request.headers().contains_key("x-forwarded-for") {
        return Err(Rejection::new(StatusCode::FORBIDDEN, "forwarded requests are refused"));
    }
    Ok(())
}

/// Whether a Host names the listener: one of its addresses or a name of loopback, with its port.
fn is_this_endpoint(name: &str, bound: SocketAddr, local: SocketAddr) -> bool {
    let port = local.port();
    // Clients leave the port out where it is HTTP's own.
    let with_port = |host: String| host == name || (port == 80 && host.strip_suffix(":80") == Some(name));
    [bound, local].iter().any(|address| with_port(address.to_string()))
        || ["127.0.0.1", "[::1]"].iter().any(|host| with_port(format!("{host}:{port}")))
        || with_port(format!("localhost:{port}"))
        || name.eq_ignore_ascii_case(&format!("localhost:{port}"))
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
        let address = "127.0.0.1:9911".parse().expect("an address");
        let request = request.body(()).expect("a request");
        check(&request, address, address).map_or_else(|rejection| rejection.status.as_u16(), |()| 200)
    }

    #[test]
    fn the_host_must_be_this_endpoint() {
        for host in ["127.0.0.1:9911", "localhost:9911", "LOCALHOST:9911", "[::1]:9911"] {
            assert_eq!(status(&[host], Method::GET, false), 200, "{host}");
        }
        for host in ["127.0.0.1", "evil.example:9911", "127.0.0.1:80", "127.0.0.1:9911@evil", "", "é"] {
            assert_eq!(status(&[host], Method::GET, false), 403, "{host}");
        }
        assert_eq!(status(&[], Method::GET, false), 400);
        assert_eq!(status(&["127.0.0.1:9911", "127.0.0.1:9911"], Method::GET, false), 400);
    }

    #[test]
    fn port_80_may_be_left_out() {
        let address = "169.254.170.2:80".parse().expect("an address");
        assert!(is_this_endpoint("169.254.170.2", address, address) && is_this_endpoint("localhost", address, address));
        assert!(!is_this_endpoint("169.254.170.23", address, address));
    }

    #[test]
    fn forwarded_requests_and_other_methods_are_refused() {
        assert_eq!(status(&["127.0.0.1:9911"], Method::GET, true), 403);
        for method in [Method::POST, Method::PUT, Method::HEAD, Method::OPTIONS] {
            assert_eq!(status(&["127.0.0.1:9911"], method, false), 405);
        }
    }

    #[test]
    fn an_absolute_target_counts_as_a_host() {
        let address = "127.0.0.1:9911".parse().expect("an address");
        let request = |target: &str| {
            let request =
                Request::builder().uri(target).header(header::HOST, "127.0.0.1:9911").body(()).expect("a request");
            check(&request, address, address).is_ok()
        };
        assert!(request("http://127.0.0.1:9911/v1/credentials") && !request("http://evil.example/v1/credentials"));
    }
}
