//! A connection that STS closed while it was idle costs one more request, and no retry delay.

use local_sts::{Fault, FaultKind, LocalSts, TlsVersions, World};

use crate::support::{ROLE_B, Signal, Stage, wait_until};

/// Returns action and status of each request to STS.
fn requests(stage: &Stage) -> Vec<(String, Option<u16>)> {
    let requests = stage.sts.requests().into_iter();
    requests.map(|request| (request.action.unwrap_or_default(), request.status)).collect()
}

fn close_kept(reset: bool) -> Fault {
    Fault::new(FaultKind::CloseKeptConnection { reset })
}

#[test]
fn closed_kept_connection_is_replaced_at_once() {
    for (tls, reset) in [(false, false), (false, true), (true, false), (true, true)] {
        let sts = match tls {
            true => LocalSts::start_tls(World::two_accounts(), TlsVersions::Both),
            false => LocalSts::start(World::two_accounts()),
        };
        let stage = Stage::with_sts(sts.expect("local STS starts"));
        stage.fault(close_kept(reset).forever());
        let mut export = stage.credvend(&["export", "--chain-role-arn", ROLE_B, "--log-level", "trace"]);
        if let Some(ca) = stage.sts.ca_pem() {
            export = export.env("AWS_CA_BUNDLE", stage.write("ca.pem", ca));
        }
        let ended = export.end().succeeded();
        assert!(!ended.stderr.contains("exchange failed"), "{tls} {reset}: {}", ended.stderr);
        // The second hop uses the connection of the first one.
        let expected = [("AssumeRoleWithWebIdentity", Some(200)), ("AssumeRole", None), ("AssumeRole", Some(200))];
        assert_eq!(requests(&stage), expected.map(|(action, status)| (action.to_owned(), status)), "{tls} {reset}");
    }
}

#[test]
fn request_is_repeated_once_and_never_after_a_failure_of_a_new_connection() {
    let stage = Stage::new();
    let reset = || Fault::new(FaultKind::Reset);
    stage.sts.inject(vec![reset(), close_kept(true), reset().for_action("AssumeRole")]);
    let ended = stage.credvend(&["export", "--chain-role-arn", ROLE_B, "--log-level", "trace"]).end().succeeded();
    let expected = [
        ("AssumeRoleWithWebIdentity", None),
        ("AssumeRoleWithWebIdentity", Some(200)),
        ("AssumeRole", None),
        ("AssumeRole", None),
        ("AssumeRole", Some(200)),
    ];
    assert_eq!(requests(&stage), expected.map(|(action, status)| (action.to_owned(), status)));
    assert_eq!(ended.stderr.matches("exchange failed").count(), 2, "{}", ended.stderr);
}

#[test]
fn other_failures_of_a_kept_connection_are_not_repeated() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::TruncatedBody).for_action("AssumeRole"));
    let ended = stage.credvend(&["export", "--chain-role-arn", ROLE_B, "--log-level", "trace"]).end().succeeded();
    assert_eq!(stage.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole", "AssumeRole"]);
    assert_eq!(ended.stderr.matches("exchange failed").count(), 1, "{}", ended.stderr);
}

#[test]
fn reloads_on_closed_connections_fail_no_exchange() {
    let stage = Stage::new();
    stage.fault(close_kept(true).forever());
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--chain-role-arn", ROLE_B]).start();
    let obtained = |count| run.stderr().matches("hop=2").count() >= count;
    for reload in 1..=20 {
        wait_until("credentials of the second hop", || obtained(reload));
        run.signal(Signal::HUP);
    }
    wait_until("the last reload", || obtained(21));
    let log = run.terminate().succeeded().stderr;
    assert_eq!(log.matches("exchange failed").count(), 0, "{log}");
}
