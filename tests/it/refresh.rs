use std::time::{Duration, Instant};

use local_sts::{Fault, FaultKind};

use crate::support::{ROLE_B, Signal, Stage, get, wait_until};

#[test]
fn credentials_are_refreshed_at_half_their_lifetime() {
    let stage = Stage::new();
    // With a lifetime of 20 s, credentials are served for 5 s and refreshed after 10 to 12 s.
    stage.sts.set_lifetime(Some(Duration::from_secs(20)));
    let start = Instant::now();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--chain-role-arn", ROLE_B]).start();
    run.lines(&["credentials obtained", "hop=2"], 2);
    let elapsed = start.elapsed();
    assert!(elapsed >= Duration::from_secs(10), "{elapsed:?}");
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
    let start = Instant::now();
    wait_until("the profile is not ready", || get(address, "/readyz", &[]).status != 200);
    assert!(start.elapsed() < Duration::from_secs(12), "the credentials were served until they expired");
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
