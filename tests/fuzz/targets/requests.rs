//! Requests over sockets to a running `credvend run`: each connection ends within its bound, all that it returns is well-formed HTTP, and
//! credentials appear only in the response to a GET with one Host header that names the listener, no header of a proxy or browser, and
//! the token that the listener demands. Input: the listener (endpoint, instance metadata, admin, endpoint with a token), and the bytes to
//! send, with `{H}` for the listener's address, `{T}` for the authorization token and `{S}` for a session token of the metadata service.
#![no_main]

#[path = "../hosts.rs"]
mod hosts;
#[path = "../server.rs"]
mod server;

use httparse::{EMPTY_HEADER, Header, Request, Response, Status};
use libfuzzer_sys::fuzz_target;
use server::{SECRET_KEY, SERVERS};

fuzz_target!(
    init: {
        let _ = &*SERVERS;
    },
    |data: &[u8]| {
        let Some((listener, bytes)) = data.split_first() else { return };
        let listener = usize::from(listener % 4);
        let sent = SERVERS.expand(listener, bytes);
        let received = SERVERS.exchange(listener, &sent);
        let mut requests = Requests(Some(&sent));
        let mut rest = &*received.bytes;
        while !rest.is_empty() {
            let mut headers = [EMPTY_HEADER; 100];
            let mut response = Response::new(&mut headers);
            let Ok(Status::Complete(length)) = response.parse(rest) else {
                assert!(received.is_cut, "malformed response: {}", String::from_utf8_lossy(rest));
                return;
            };
            let status = response.code.expect("a status");
            let Some(size) = header(response.headers, "content-length").and_then(|value| std::str::from_utf8(value).ok()?.parse::<usize>().ok()) else {
                panic!("a response without a length: {}", String::from_utf8_lossy(rest));
            };
            let content_type = header(response.headers, "content-type").map(<[u8]>::to_vec);
            rest = &rest[length..];
            let mut request_headers = [EMPTY_HEADER; 100];
            let request = requests.next(&mut request_headers);
            let has_body = match &request {
                Some(request) => request.method != Some("HEAD"),
                // It may be a HEAD request too. No body begins as the next response does.
                None => !rest.starts_with(b"HTTP/1."),
            };
            if !has_body {
                continue;
            }
            let Some((body, after)) = rest.split_at_checked(size) else {
                // Without the request it is unknown whether it was a HEAD request.
                assert!(received.is_cut || request.is_none(), "a response that is cut");
                return;
            };
            rest = after;
            if body.windows(SECRET_KEY.len()).any(|part| part == SECRET_KEY.as_bytes()) {
                assert_eq!(status, 200);
                match &request {
                    Some(request) => assert!(may_have_credentials(listener, request), "credentials for {request:?}"),
                    None => assert!(requests.is_lost(), "credentials for an unreadable request"),
                }
            }
            if content_type.as_deref() == Some(b"application/json") && !body.is_empty() {
                serde_json::from_slice::<serde_json::Value>(body).expect("a JSON document");
            }
        }
    }
);

/// The requests in the bytes that were sent. `None` after a request with a body, whose end is not followed here.
struct Requests<'a>(Option<&'a [u8]>);

impl<'a> Requests<'a> {
    fn next<'h>(&mut self, headers: &'h mut [Header<'a>]) -> Option<Request<'h, 'a>> {
        let bytes = self.0?;
        let mut request = Request::new(headers);
        let Ok(Status::Complete(length)) = request.parse(bytes) else { return None };
        let has_body = ["content-length", "transfer-encoding", "upgrade"]
            .iter()
            .any(|name| header(request.headers, name).is_some());
        self.0 = if has_body { None } else { bytes.get(length..) };
        Some(request)
    }

    /// Returns true after a request with a body.
    fn is_lost(&self) -> bool {
        self.0.is_none()
    }
}

fn header<'a>(headers: &[Header<'a>], name: &str) -> Option<&'a [u8]> {
    headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn may_have_credentials(listener: usize, request: &Request<'_, '_>) -> bool {
    let values = |name: &str| -> Vec<&[u8]> {
        request
            .headers
            .iter()
            .filter(|header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
            .collect()
    };
    let address = SERVERS.addresses[listener];
    let has_only = |name: &str, value: &str| values(name) == [value.as_bytes()];
    let is_authorized = match listener {
        0 => true,
        1 => values("x-aws-ec2-metadata-token").first() == Some(&SERVERS.session_token().as_bytes()),
        3 => has_only("authorization", &SERVERS.authorization_token),
        _ => false,
    };
    let hosts = values("host");
    request.method == Some("GET")
        && hosts.len() == 1
        && hosts::names(address, hosts[0])
        && request.path.and_then(hosts::authority).is_none_or(|authority| hosts::names(address, authority.as_bytes()))
        && !request.headers.iter().any(|header| hosts::is_foreign(header.name))
        && is_authorized
}
