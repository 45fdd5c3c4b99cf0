use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use local_sts::{Fault, FaultKind, LocalSts, RateLimit};

use crate::support::{
    Credentials, FORM, Response, form, parse, role_a_credentials, send_raw, sign, signed, start, web_identity,
};

fn identity(sts: &LocalSts) -> Response {
    signed(&sts.url(), &Credentials::of_base_user(), "GetCallerIdentity", &[])
}

/// Sends GetCallerIdentity and returns all bytes of the response, or the connection error.
fn raw_identity(sts: &LocalSts) -> std::io::Result<Vec<u8>> {
    let body = form("GetCallerIdentity", &[]);
    let headers = sign(&sts.url(), &Credentials::of_base_user(), &body);
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("content-type", FORM));
    send_raw(&sts.url(), "POST", "/", &headers, &body)
}

fn start_with_fault(kind: FaultKind) -> LocalSts {
    let sts = start();
    sts.inject(vec![Fault::new(kind)]);
    sts
}

#[test]
fn error_faults_return_their_error_response() {
    let verification_key = "Couldn't retrieve verification key from your identity provider,  please";
    for (fault, code, status, message) in [
        (Fault::throttle(), "Throttling", 400, "Rate exceeded"),
        (Fault::server_error(500), "InternalFailure", 500, ""),
        (Fault::server_error(503), "ServiceUnavailable", 503, ""),
        (Fault::new(FaultKind::IdpCommunicationError), "IDPCommunicationError", 400, ""),
        (Fault::new(FaultKind::InvalidIdentityTokenVerificationKey), "InvalidIdentityToken", 400, verification_key),
        (Fault::error("RegionDisabledException", 403, "<off>"), "RegionDisabledException", 403, "<off>"),
    ] {
        let sts = start();
        sts.inject(vec![fault.clone()]);
        let response = identity(&sts);
        response.expect_error(code, status, message);
        assert_eq!(response.expect("Type"), if status < 500 { "Sender" } else { "Receiver" });
        assert_eq!(identity(&sts).status, 200, "the fault applies to one request only");
        let requests = sts.requests();
        assert_eq!((requests[0].status, requests[0].code.as_deref()), (Some(status), Some(code)));
        assert_eq!((&requests[0].fault, &requests[1].fault), (&Some(fault.kind), &None));
    }
}

#[test]
fn fault_affects_only_its_action() {
    let sts = start();
    sts.inject(vec![Fault::throttle().for_action("GetCallerIdentity").forever()]);
    role_a_credentials(&sts);
    for _ in 0..3 {
        identity(&sts).expect_error("Throttling", 400, "");
    }
    sts.clear_faults();
    assert_eq!(identity(&sts).status, 200);
}

#[test]
fn reset_fault_resets_the_connection() {
    let sts = start_with_fault(FaultKind::Reset);
    assert_eq!(raw_identity(&sts).expect_err("connection reset").kind(), ErrorKind::ConnectionReset);
    assert_eq!(sts.requests()[0].status, None);
    assert_eq!(identity(&sts).status, 200);
}

#[test]
fn only_kept_connections_are_closed() {
    for (reset, kind) in [(true, Some(ErrorKind::ConnectionReset)), (false, None)] {
        let sts = start_with_fault(FaultKind::CloseKeptConnection { reset });
        let address = sts.url().trim_start_matches("http://").to_owned();
        let mut stream = TcpStream::connect(&address).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
        let body = "Action=GetCallerIdentity&Version=2011-06-15";
        let head =
            format!("POST / HTTP/1.1\r\nhost: {address}\r\ncontent-type: {FORM}\r\ncontent-length: {}", body.len());
        let request = format!("{head}\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut response = [0; 16];
        stream.read_exact(&mut response).expect("a response");
        stream.write_all(request.as_bytes()).expect("sent");
        let end = stream.read_to_end(&mut Vec::new());
        assert_eq!(end.err().map(|error| error.kind()), kind);
        let statuses: Vec<_> = sts.requests().iter().map(|request| request.status.is_some()).collect();
        assert_eq!(statuses, [true, false]);
    }
}

#[test]
fn request_hangs_until_the_faults_are_cleared() {
    let sts = start_with_fault(FaultKind::Hang);
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| identity(&sts));
        let requests = sts.wait_for_requests(1, Duration::from_secs(10));
        assert_eq!(requests[0].status, None);
        assert!(!hanging.is_finished());
        assert_eq!(identity(&sts).status, 200, "other requests do not hang");
        sts.clear_faults();
        assert_eq!(hanging.join().expect("no panic").status, 200);
    });
    assert_eq!(sts.requests()[0].status, Some(200));
}

#[test]
fn server_stops_while_a_request_hangs() {
    let sts = start_with_fault(FaultKind::Hang);
    let url = sts.url();
    std::thread::scope(|scope| {
        let hanging =
            scope.spawn(|| send_raw(&url, "POST", "/", &[("content-type", FORM)], "Action=GetCallerIdentity"));
        sts.wait_for_requests(1, Duration::from_secs(10));
        drop(sts);
        assert!(hanging.join().expect("no panic").map_or(true, |response| response.is_empty()));
    });
}

#[test]
fn delay_and_drip_faults_slow_down_the_response() {
    let sts = start_with_fault(FaultKind::Delay { milliseconds: 150 });
    let start = Instant::now();
    assert_eq!(identity(&sts).status, 200);
    assert!(start.elapsed() >= Duration::from_millis(150));

    let sts = start_with_fault(FaultKind::Drip { milliseconds: 1 });
    let start = Instant::now();
    let response = identity(&sts);
    assert_eq!(response.headers["content-length"], response.body.len().to_string());
    assert!(start.elapsed() >= Duration::from_millis(response.body.len() as u64), "{:?}", start.elapsed());
    response.expect("Account");
}

#[test]
fn body_faults_return_invalid_bodies() {
    let garbage = identity(&start_with_fault(FaultKind::Garbage));
    assert!(garbage.status == 200 && !garbage.body.contains("<Get"), "{garbage:?}");

    let cut = identity(&start_with_fault(FaultKind::CutXml));
    assert_eq!(cut.headers["content-length"], cut.body.len().to_string());
    assert!(cut.body.starts_with("<GetCallerIdentityResponse") && !cut.body.contains("</GetCallerIdentityResponse>"));

    let truncated = parse(&raw_identity(&start_with_fault(FaultKind::TruncatedBody)).expect("half a response"));
    let declared: usize = truncated.headers["content-length"].parse().expect("number");
    assert!(!truncated.body.is_empty() && truncated.body.len() < declared, "{truncated:?}");

    let huge = raw_identity(&start_with_fault(FaultKind::HugeBody { mebibytes: 8 })).expect("long response");
    assert!(huge.len() > 8 << 20);

    let other = identity(&start_with_fault(FaultKind::WrongRoot));
    assert!(other.status == 200 && other.body.starts_with("<AssumeRoleResponse "), "{}", other.body);
    let other = web_identity(&start_with_fault(FaultKind::WrongRoot), &Default::default(), &[]);
    assert!(other.status == 200 && other.body.starts_with("<GetCallerIdentityResponse "), "{}", other.body);
}

#[test]
fn calls_beyond_the_rate_limit_are_throttled() {
    let sts = start();
    sts.set_rate_limit(Some(RateLimit { calls_per_second: 0.001, burst: 2.0 }));
    let statuses: Vec<u16> = (0..4).map(|_| identity(&sts).status).collect();
    assert_eq!(statuses, [200, 200, 400, 400]);
    sts.set_rate_limit(None);
    identity(&sts).expect("Account");
}

#[test]
fn throttling_can_have_a_retry_after_header() {
    let response = identity(&start_with_fault(FaultKind::ThrottleWithRetryAfter { seconds: 7 }));
    assert_eq!((response.status, response.headers["retry-after"].as_str()), (400, "7"));
    assert!(response.body.contains("<Code>Throttling</Code>"), "{}", response.body);
}

#[test]
fn stale_date_fault_changes_only_the_date() {
    let sts = start_with_fault(FaultKind::StaleDate { seconds: 86_400 });
    let [stale, normal] = [(); 2].map(|()| web_identity(&sts, &Default::default(), &[]));
    stale.expect_credentials();
    assert_ne!(stale.headers["date"][..16], normal.headers["date"][..16]);
    assert_eq!(stale.expect("Expiration")[..13], normal.expect("Expiration")[..13]);
}

#[test]
fn expiry_faults_change_the_expiration() {
    let missing = web_identity(&start_with_fault(FaultKind::MissingExpiry), &Default::default(), &[]);
    missing.expect_credentials();
    assert!(missing.element("Expiration").is_none());
    let sts = start_with_fault(FaultKind::PastExpiry);
    let past = web_identity(&sts, &Default::default(), &[]);
    let normal = web_identity(&sts, &Default::default(), &[]);
    past.expect_credentials();
    assert!(past.expect("Expiration") < normal.expect("Expiration"));
    let far = web_identity(&start_with_fault(FaultKind::FarExpiry), &Default::default(), &[]);
    far.expect_credentials();
    assert_eq!(far.expect("Expiration"), "9999-12-31T23:59:59Z");
}

#[test]
fn control_character_fault_inserts_a_line_break() {
    let sts = start_with_fault(FaultKind::ControlCharacter);
    let response = web_identity(&sts, &Default::default(), &[]);
    let secret = response.expect_credentials().secret;
    assert_eq!(secret.find('\n'), Some(1), "{secret:?}");
    assert!(sts.issued_secrets().contains(&secret.replace('\n', "")));
}
