use std::time::{Duration, Instant};

use local_sts::{Fault, FaultKind};

use crate::support::{ROLE_B, Stage, get, wait_until};

#[test]
fn credentials_are_renewed_at_half_of_their_life() {
    let stage = Stage::new();
    // 20 s live, refreshed after 10 to 12 s, served for 5 s: long enough to see, short enough to wait for.
    stage.sts.set_lifetime(Some(Duration::from_secs(20)));
    let begun = Instant::now();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--chain-role-arn", ROLE_B]).start();
    run.lines(&["credentials obtained", "hop=2"], 2);
    let waited = begun.elapsed();
    assert!(waited >= Duration::from_secs(10), "{waited:?}");
    assert_eq!(get(run.address(), "/v1/credentials", &[]).status, 200);
}

#[test]
fn a_failed_refresh_is_no_failure_to_serve() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    let held = get(address, "/v1/credentials", &[]).body;
    stage.fault(Fault::new(FaultKind::Reset).forever());
    run.signal(crate::support::Signal::HUP);
    run.lines(&["exchange failed"], 2);
    assert_eq!(get(address, "/v1/credentials", &[]).body, held);
    assert_eq!(get(address, "/readyz", &[]).status, 200);
    stage.sts.clear_faults();
    run.lines(&["credentials obtained"], 2);
    wait_until("the endpoint serves new credentials", || get(address, "/v1/credentials", &[]).body != held);
}

#[test]
fn credentials_about_to_expire_are_not_served() {
    let stage = Stage::new();
    stage.sts.set_lifetime(Some(Duration::from_secs(17)));
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    stage.fault(Fault::new(FaultKind::Reset).forever());
    // Two seconds of serving, then 15 s before the expiry nothing until STS answers again.
    let begun = Instant::now();
    wait_until("the profile is not ready", || get(address, "/readyz", &[]).status != 200);
    assert!(begun.elapsed() < Duration::from_secs(12), "served until the credentials expired");
    let answer = get(address, "/v1/credentials", &[]);
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    run.line(&["exchange failed"]);
    stage.sts.set_lifetime(None);
    stage.sts.clear_faults();
    run.lines(&["credentials obtained"], 2);
    assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
}

#[test]
fn the_first_retry_follows_within_two_seconds() {
    let stage = Stage::new();
    stage.fault(Fault::throttle());
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let failed = run.line(&["exchange failed", "attempt=1"]);
    let pause: f64 = failed
        .split("retry_after=")
        .nth(1)
        .and_then(|rest| rest.split('s').next())
        .expect("a pause")
        .parse()
        .expect("a number");
    assert!((1.0..=2.0).contains(&pause), "{failed}");
    run.line(&["credentials obtained", "attempt=2"]);
}
