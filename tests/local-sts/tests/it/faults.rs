use std::io::ErrorKind;
use std::time::{Duration, Instant};

use local_sts::{Fault, FaultKind, LocalSts};

use crate::support::{FORM, Keys, Reply, exchange, form, parse, session_of_a, sign, signed, start, web_identity};

fn identity(sts: &LocalSts) -> Reply {
    signed(&sts.url(), &Keys::of_base_user(), "GetCallerIdentity", &[])
}

/// Everything the server sent, or how the connection broke.
fn raw_identity(sts: &LocalSts) -> std::io::Result<Vec<u8>> {
    let body = form("GetCallerIdentity", &[]);
    let headers = sign(&sts.url(), &Keys::of_base_user(), &body);
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("content-type", FORM));
    exchange(&sts.url(), "POST", "/", &headers, &body)
}

fn with(kind: FaultKind) -> LocalSts {
    let sts = start();
    sts.inject(vec![Fault::new(kind)]);
    sts
}

#[test]
fn error_answers() {
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
        let reply = identity(&sts);
        reply.refused(code, status, message);
        assert_eq!(reply.expect("Type"), if status < 500 { "Sender" } else { "Receiver" });
        assert_eq!(identity(&sts).status, 200, "once is once");
        let requests = sts.requests();
        assert_eq!((requests[0].status, requests[0].code.as_deref()), (Some(status), Some(code)));
        assert_eq!((&requests[0].fault, &requests[1].fault), (&Some(fault.kind), &None));
    }
}

#[test]
fn faults_keep_to_their_action() {
    let sts = start();
    sts.inject(vec![Fault::throttle().for_action("GetCallerIdentity").forever()]);
    session_of_a(&sts);
    for _ in 0..3 {
        identity(&sts).refused("Throttling", 400, "");
    }
    sts.clear_faults();
    assert_eq!(identity(&sts).status, 200);
}

#[test]
fn a_reset_is_an_rst() {
    let sts = with(FaultKind::Reset);
    assert_eq!(raw_identity(&sts).expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    assert_eq!(sts.requests()[0].status, None);
    assert_eq!(identity(&sts).status, 200);
}

#[test]
fn a_hang_lasts_until_the_faults_are_cleared() {
    let sts = with(FaultKind::Hang);
    std::thread::scope(|scope| {
        let hanging = scope.spawn(|| identity(&sts));
        let requests = sts.wait_for_requests(1, Duration::from_secs(10));
        assert_eq!(requests[0].status, None);
        assert!(!hanging.is_finished());
        assert_eq!(identity(&sts).status, 200, "others are served meanwhile");
        sts.clear_faults();
        assert_eq!(hanging.join().expect("no panic").status, 200);
    });
    assert_eq!(sts.requests()[0].status, Some(200));
}

#[test]
fn a_hanging_request_does_not_keep_the_server_from_stopping() {
    let sts = with(FaultKind::Hang);
    let url = sts.url();
    std::thread::scope(|scope| {
        let hanging =
            scope.spawn(|| exchange(&url, "POST", "/", &[("content-type", FORM)], "Action=GetCallerIdentity"));
        sts.wait_for_requests(1, Duration::from_secs(10));
        drop(sts);
        assert!(hanging.join().expect("no panic").map_or(true, |answer| answer.is_empty()));
    });
}

#[test]
fn delays_and_drips_take_their_time() {
    let sts = with(FaultKind::Delay { milliseconds: 150 });
    let start = Instant::now();
    assert_eq!(identity(&sts).status, 200);
    assert!(start.elapsed() >= Duration::from_millis(150));

    let sts = with(FaultKind::Drip { milliseconds: 1 });
    let start = Instant::now();
    let reply = identity(&sts);
    assert_eq!(reply.headers["content-length"], reply.body.len().to_string());
    assert!(start.elapsed() >= Duration::from_millis(reply.body.len() as u64), "{:?}", start.elapsed());
    reply.expect("Account");
}

#[test]
fn bodies_that_are_no_answer() {
    let garbage = identity(&with(FaultKind::Garbage));
    assert!(garbage.status == 200 && !garbage.body.contains("<Get"), "{garbage:?}");

    let cut = identity(&with(FaultKind::CutXml));
    assert_eq!(cut.headers["content-length"], cut.body.len().to_string());
    assert!(cut.body.starts_with("<GetCallerIdentityResponse") && !cut.body.contains("</GetCallerIdentityResponse>"));

    let truncated = parse(&raw_identity(&with(FaultKind::TruncatedBody)).expect("half an answer"));
    let promised: usize = truncated.headers["content-length"].parse().expect("a number");
    assert!(!truncated.body.is_empty() && truncated.body.len() < promised, "{truncated:?}");

    let huge = raw_identity(&with(FaultKind::HugeBody { mebibytes: 8 })).expect("a long answer");
    assert!(huge.len() > 8 << 20);

    let other = identity(&with(FaultKind::WrongRoot));
    assert!(other.status == 200 && other.body.starts_with("<AssumeRoleResponse "), "{}", other.body);
    let other = web_identity(&with(FaultKind::WrongRoot), &Default::default(), &[]);
    assert!(other.status == 200 && other.body.starts_with("<GetCallerIdentityResponse "), "{}", other.body);
}

#[test]
fn expirations_that_are_wrong() {
    let missing = web_identity(&with(FaultKind::MissingExpiry), &Default::default(), &[]);
    missing.granted();
    assert!(missing.element("Expiration").is_none());
    let sts = with(FaultKind::PastExpiry);
    let past = web_identity(&sts, &Default::default(), &[]);
    let sound = web_identity(&sts, &Default::default(), &[]);
    past.granted();
    assert!(past.expect("Expiration") < sound.expect("Expiration"));
}
