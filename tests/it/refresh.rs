use std::time::{Duration, Instant};

use local_sts::{Fault, FaultKind};

use crate::support::{ROLE_B, Signal, Stage, get, time_until_not_ready, wait_until};

#[test]
fn credentials_are_refreshed_at_half_their_lifetime() {
    let stage = Stage::new();
    // With a lifetime of 20 s, credentials are served for 5 s and refreshed after 10 to 12 s. Expirations are whole seconds, so up to a
    // second of the lifetime is lost.
    stage.sts.set_lifetime(Some(Duration::from_secs(20)));
    let start = Instant::now();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--chain-role-arn", ROLE_B]).start();
    run.lines(&["credentials obtained", "hop=2"], 2);
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_millis(9_500), "{elapsed:?}");
    assert_eq!(get(run.address(), "/v1/credentials", &[]).status, 200);
}

#[test]
fn failed_refresh_keeps_serving_the_current_credentials() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    let served = get(address, "/v1/credentials", &[]).body;
    stage.fault(Fault::new(FaultKind::Reset).forever());
    run.signal(Signal::HUP);
    run.lines(&["exchange failed"], 2);
    assert_eq!(get(address, "/v1/credentials", &[]).body, served);
    assert_eq!(get(address, "/readyz", &[]).status, 200);
    stage.sts.clear_faults();
    run.lines(&["credentials obtained"], 2);
    wait_until("the new credentials are served", || get(address, "/v1/credentials", &[]).body != served);
}

#[test]
fn credentials_about_to_expire_are_not_served() {
    let stage = Stage::new();
    stage.sts.set_lifetime(Some(Duration::from_secs(17)));
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    stage.fault(Fault::new(FaultKind::Reset).forever());
    // Credentials are served for 2 s, until 15 s before their expiry.
    let served = time_until_not_ready(address);
    assert!(served < Duration::from_secs(12), "the credentials were served until they expired");
    let response = get(address, "/v1/credentials", &[]);
    assert_eq!((response.status, response.header("retry-after")), (503, Some("1")));
    run.line(&["exchange failed"]);
    stage.sts.set_lifetime(None);
    stage.sts.clear_faults();
    run.lines(&["credentials obtained"], 2);
    assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
}

#[test]
fn first_retry_follows_within_two_seconds() {
    let stage = Stage::new();
    stage.fault(Fault::throttle());
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let failed = run.line(&["exchange failed", "attempt=1"]);
    let pause: f64 = failed
        .split("retry_after=")
        .nth(1)
        .and_then(|rest| rest.split('s').next())
        .expect("a number of seconds")
        .parse()
        .expect("a number");
    assert!((1.0..=2.0).contains(&pause), "{failed}");
    run.line(&["credentials obtained", "attempt=2"]);
}

#[test]
fn request_during_an_outage_gets_the_reason_and_starts_an_attempt() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Reset).forever());
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    // From the fourth failure on, the back-off is up to 16 s.
    run.lines(&["exchange failed"], 4);
    let response = get(address, "/v1/credentials", &[]);
    assert_eq!(response.status, 503);
    let message = response.text("message");
    assert!(message.starts_with("no valid credentials for profile default since 20"), "{message}");
    assert!(message.contains("(last error: unavailable)") && !message.contains("reset"), "{message}");

    stage.sts.clear_faults();
    wait_until("the profile has credentials", || get(address, "/v1/credentials", &[]).status == 200);
}

#[test]
fn request_that_finds_no_servable_credentials_starts_an_attempt() {
    let stage = Stage::new();
    // Served for 5 s, and due for refresh after 10 to 12 s.
    stage.sts.set_lifetime(Some(Duration::from_secs(20)));
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    // A request waits for the first credentials for 0.8 s only, which a busy machine can exceed.
    run.line(&["credentials obtained"]);
    let start = Instant::now();
    let first = get(address, "/v1/credentials", &[]).text("AccessKeyId");
    wait_until("new credentials are served", || {
        let response = get(address, "/v1/credentials", &[]);
        response.status == 200 && response.text("AccessKeyId") != first
    });
    assert!(start.elapsed() < Duration::from_secs(9), "{:?}", start.elapsed());
    assert_eq!(stage.sts.requests().len(), 2);
}

#[test]
fn sessions_too_short_to_be_served_are_reported_and_retried_with_a_backoff() {
    let stage = Stage::new();
    stage.sts.set_lifetime(Some(Duration::from_secs(15)));
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    let warning = run.line(&["credentials too short-lived to be served"]);
    assert!(warning.contains("WARN") && warning.contains("not served in the last 15 s"), "{warning}");
    let message = get(address, "/v1/credentials", &[]).text("message");
    assert!(message.contains("(last error: short_lived)"), "{message}");
    stage.sts.set_lifetime(None);
    wait_until("the profile has credentials", || get(address, "/v1/credentials", &[]).status == 200);
    assert_eq!(run.stderr().matches("too short-lived").count(), 1);
}

#[test]
fn exec_does_not_start_a_program_with_sessions_too_short_to_be_served() {
    let stage = Stage::new();
    stage.sts.set_lifetime(Some(Duration::from_secs(15)));
    stage
        .credvend(&["exec", "--", "true"])
        .end()
        .failed(4, &["hop 1", "the credentials are valid for 1", "longer sessions"]);
}

#[test]
fn base_that_sts_rejects_and_refuses_to_renew_is_no_longer_served() {
    let stage = Stage::new();
    let arguments = ["run", "--listen", "127.0.0.1:0", "--all-profiles"];
    let run = stage.with_config(&arguments, crate::profiles::CROSS_ACCOUNT).start();
    let address = run.address();
    run.lines(&["credentials obtained"], 2);
    let status = |profile: &str| get(address, &format!("/v1/credentials/{profile}"), &[]).status;

    // STS refuses to renew the base, for a reason that may pass: the base is served.
    let expired = "The security token included in the request is expired";
    stage.fault(Fault::error("ExpiredToken", 403, expired).for_action("AssumeRole").forever());
    stage.fault(Fault::throttle().for_action("AssumeRoleWithWebIdentity"));
    stage.fault(Fault::error("AccessDenied", 403, "denied").for_action("AssumeRoleWithWebIdentity").forever());
    run.signal(Signal::HUP);
    run.line(&["exchange failed", "hop=1", "Throttling"]);
    assert_eq!(status("account_a_role"), 200);

    // STS refuses to renew the base, and says that its credentials have expired.
    run.line(&["exchange failed", "hop=1", "AccessDenied"]);
    run.line(&["credentials withdrawn", "profile=\"account_a_role\""]);
    assert_eq!(status("account_a_role"), 503);
    assert_eq!(get(address, "/readyz?profile=account_a_role", &[]).status, 503);
    assert_eq!(status("account_b_role"), 200, "no request of its own was refused");

    stage.sts.clear_faults();
    wait_until("the base is served again", || status("account_a_role") == 200);
}

#[test]
fn rejected_base_is_renewed_at_once_where_it_is_vended() {
    for code in ["ExpiredToken", "InvalidClientTokenId"] {
        let stage = Stage::new();
        stage.fault(
            Fault::error(code, 403, "The security token included in the request is no good").for_action("AssumeRole"),
        );
        let arguments = ["run", "--listen", "127.0.0.1:0", "--all-profiles"];
        let run = stage.with_config(&arguments, crate::profiles::CROSS_ACCOUNT).start();
        let address = run.address();
        run.line(&["credentials obtained", "hop=2"]);
        let requests = stage.sts.requests();
        let signer = &requests.last().expect("a request").headers["authorization"];
        wait_until("the new base is served", || {
            let key = get(address, "/v1/credentials/account_a_role", &[]).text("AccessKeyId");
            signer.contains(&format!("Credential={key}/"))
        });
    }
}
