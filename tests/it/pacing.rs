use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use local_sts::{Fault, FaultKind, RateLimit};

use crate::support::{ROLE_A, Signal, Stage, get, wait_until};

/// Returns a config with this number of profiles, each with a call of its own.
fn config(profiles: usize) -> String {
    (0..profiles).fold(String::new(), |mut config, number| {
        let _ = write!(
            config,
            "[profile p{number:03}]\nrole_arn = {ROLE_A}\nweb_identity_token_file = TOKEN\nrole_session_name = p{number:03}\n"
        );
        config
    })
}

/// Returns a stage whose STS accepts this number of calls a second, and at once.
fn limited(calls: f64) -> Stage {
    let stage = Stage::new();
    stage.sts.set_rate_limit(Some(RateLimit { calls_per_second: calls, burst: calls }));
    stage
}

/// Returns the number of calls that the STS has received, and that of those which it throttled.
fn calls(stage: &Stage) -> (usize, usize) {
    let requests = stage.sts.requests();
    (requests.len(), requests.iter().filter(|request| request.code.as_deref() == Some("Throttling")).count())
}

const ONCE: &[&str] = &["run", "--once", "--all-profiles", "--credentials-file"];

/// `just pacing` measures 300 profiles.
#[test]
fn forty_profiles_are_throttled_a_few_times_only() {
    let stage = Stage::new();
    stage.sts.set_rate_limit(Some(RateLimit { calls_per_second: 20.0, burst: 5.0 }));
    stage.with_config(ONCE, &config(40)).arg(stage.path("credentials")).end().succeeded();
    assert_eq!(stage.read("credentials").matches("aws_session_token").count(), 40);
    let (calls, throttled) = calls(&stage);
    eprintln!("{calls} calls, {throttled} throttled");
    // About 6, and more on a machine that is slow.
    assert!(throttled <= 16 && calls == 40 + throttled, "{calls} calls, {throttled} throttled");
}

#[test]
fn few_profiles_are_not_delayed() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).times(5));
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0", "--all-profiles"], &config(5)).start();
    run.address();
    // None has a response, and none waits for that of another.
    wait_until("all calls are on their way", || stage.sts.requests().len() == 5);
    stage.sts.clear_faults();
    run.lines(&["credentials obtained"], 5);
}

#[test]
fn retry_after_delays_the_calls_of_all_profiles_across_a_reload() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::ThrottleWithRetryAfter { seconds: 4 }));
    let started = Instant::now();
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0", "--all-profiles"], &config(1)).start();
    run.line(&["exchange failed", "Throttling"]);
    stage.write("config", &config(2).replace("TOKEN", &stage.tokens.token_file().display().to_string()));
    run.signal(Signal::HUP);
    run.line(&["configuration reloaded"]);
    run.lines(&["credentials obtained"], 2);
    assert!(started.elapsed() >= Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(stage.sts.requests().len(), 3);
}

#[test]
fn pacing_is_logged_once_and_counted() {
    let stage = limited(10.0);
    let arguments = ["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--all-profiles"];
    let run = stage.with_config(&arguments, &config(20)).start();
    run.lines(&["credentials obtained"], 20);
    let log = run.stderr();
    assert_eq!(log.matches("calls wait for their turn, because STS throttles").count(), 1, "{log}");
    let place = ["region=\"eu-central-1\"", "account_id=\"111111111111\""];
    run.line(&[&["calls wait for their turn, because STS throttles"][..], &place].concat());
    let metrics = get(run.admin_address(), "/metrics", &[]).body;
    let line =
        metrics.lines().find(|line| line.starts_with("credvend_sts_calls_delayed_total{region=\"eu-central-1\"}"));
    let delayed: u32 = line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("the counter");
    assert!((5..=40).contains(&delayed), "{delayed}");
    stage.refuse_leaks(&run.stderr());
}

#[test]
fn run_once_writes_the_profiles_that_have_credentials_and_names_the_others() {
    let stage = Stage::new();
    let absent = "arn:aws:iam::111111111111:role/absent";
    let config = format!("{}[profile missing]\nrole_arn = {absent}\nweb_identity_token_file = TOKEN\n", config(3));
    let ended = stage.with_config(ONCE, &config).arg(stage.path("credentials")).end();
    ended
        .failed(4, &["no credentials for 1 of 4 profiles (missing), the others are written: ", "AccessDenied", absent]);
    let written = stage.read("credentials");
    assert!(
        (0..3).all(|number| written.contains(&format!("[p{number:03}]"))) && !written.contains("[missing]"),
        "{written}"
    );
    assert!(ended.stderr.contains("no credentials obtained"), "{}", ended.stderr);
}

#[test]
fn run_once_writes_what_it_has_when_the_time_is_over() {
    let stage = limited(4.0);
    let run = stage.with_config(&[&["run", "--once", "--timeout", "3s"], &ONCE[2..]].concat(), &config(40));
    let ended = run.arg(stage.path("credentials")).end();
    ended.failed(5, &["of 40 profiles (p0", " more), the others are written: ", "throttl"]);
    let written = stage.read("credentials").matches("aws_session_token").count();
    assert!((8..=16).contains(&written), "{written}");
}

#[test]
fn run_once_fails_without_writing_if_no_profile_has_credentials() {
    let stage = Stage::new();
    stage.fault(Fault::error("AccessDenied", 403, "Not authorized").forever());
    let path = stage.path("credentials");
    stage
        .with_config(ONCE, &config(2))
        .arg(&path)
        .end()
        .failed(4, &["for 2 of 2 profiles (p000, p001), nothing is written: "]);
    assert!(!path.exists());
}
