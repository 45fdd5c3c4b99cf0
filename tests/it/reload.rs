use std::{
    fs::File,
    thread,
    time::{Duration, Instant},
};

use local_sts::{Fault, FaultKind};
use rustix::fs::{FlockOperation, flock};

use crate::support::{Credvend, DEADLINE, ROLE_A, ROLE_B, Running, Signal, Stage, get, wait_until};

const RUN: &[&str] = &["run", "--listen", "127.0.0.1:0"];

/// The time between two signals of a storm.
const PAUSE: Duration = Duration::from_millis(200);

/// Returns a config file in which the default profile is role B, assumed with role A.
fn role_b_config(stage: &Stage) -> String {
    let token = stage.tokens.token_file();
    format!(
        "[default]\nrole_arn = {ROLE_B}\nsource_profile = a\n[profile a]\nrole_arn = {ROLE_A}\n\
         web_identity_token_file = {}\n",
        token.display()
    )
}

#[test]
fn sighup_reloads_the_configuration_and_refreshes() {
    let stage = Stage::new();
    let config = |role: &str| format!("[default]\nrole_arn = {role}\nweb_identity_token_file = TOKEN\n");
    let run = stage.with_config(RUN, &config(ROLE_A)).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    let first = get(address, "/v1/credentials", &[]).text("AccessKeyId");

    run.signal(Signal::HUP);
    run.lines(&["credentials obtained", ROLE_A], 2);
    let second = get(address, "/v1/credentials", &[]).text("AccessKeyId");
    assert_ne!(second, first);

    // An invalid configuration is not applied.
    stage.write("config", "[default\nrole_arn");
    run.signal(Signal::HUP);
    run.line(&["configuration not reloaded", "line 1"]);
    assert_eq!(get(address, "/v1/credentials", &[]).text("AccessKeyId"), second);

    stage.write("config", &role_b_config(&stage));
    run.signal(Signal::HUP);
    run.line(&["credentials obtained", ROLE_B]);
    wait_until("the credentials of role B are served", || {
        get(address, "/v1/credentials", &[]).text("RoleArn") == ROLE_B
    });
}

/// Sends SIGHUP every 200 ms until `is_over`. Returns the duration.
fn storm(run: &Running, mut is_over: impl FnMut(Duration) -> bool) -> Duration {
    let start = Instant::now();
    while !is_over(start.elapsed()) {
        assert!(start.elapsed() < DEADLINE, "the storm does not end: {}", run.stderr());
        run.signal(Signal::HUP);
        thread::sleep(PAUSE);
    }
    start.elapsed()
}

#[test]
fn storm_of_reloads_neither_stops_the_refresh_nor_multiplies_the_calls() {
    let stage = Stage::new();
    // Longer than the time between two signals.
    stage.fault(Fault::new(FaultKind::Delay { milliseconds: 400 }).forever());
    let run = stage.credvend(&[RUN, &["--chain-role-arn", ROLE_B]].concat()).start();
    let address = run.address();
    run.line(&["credentials obtained", "hop=2"]);
    let first = get(address, "/v1/credentials", &[]).text("AccessKeyId");
    let mut renewals = 0;
    let mut last = first;
    let elapsed = storm(&run, |_| {
        let response = get(address, "/v1/credentials", &[]);
        assert_eq!(response.status, 200, "{response:?}");
        let key = response.text("AccessKeyId");
        renewals += usize::from(key != last);
        last = key;
        renewals == 3
    });
    let most = elapsed.as_secs() / 2 + 2;
    for action in ["AssumeRoleWithWebIdentity", "AssumeRole"] {
        let calls = stage.actions().iter().filter(|made| *made == action).count() as u64;
        assert!(calls <= most, "{calls} calls of {action} in {elapsed:?}");
    }
}

#[test]
fn reload_does_not_reset_the_backoff() {
    let stage = Stage::new();
    stage.fault(Fault::throttle().forever());
    let run = stage.credvend(RUN).start();
    run.line(&["exchange failed"]);
    storm(&run, |elapsed| elapsed > Duration::from_secs(4));
    // The delays are at least 1 s each.
    let calls = stage.sts.requests().len();
    assert!(calls <= 6, "{calls} calls");
    stage.sts.clear_faults();
    run.line(&["credentials obtained"]);
}

#[test]
fn reload_keeps_an_exchange_in_progress() {
    let stage = Stage::new();
    let config = role_b_config(&stage);
    let run = stage.with_config(&[RUN, &["--all-profiles"]].concat(), &config).start();
    run.lines(&["credentials obtained"], 2);
    stage.fault(Fault::new(FaultKind::Hang).for_action("AssumeRoleWithWebIdentity").forever());
    run.signal(Signal::HUP);
    stage.sts.wait_for_requests(3, DEADLINE);
    // The second role changes and the first one stays, and both need the exchange that hangs.
    stage.write("config", &config.replace("source_profile = a", "source_profile = a\nrole_session_name = second"));
    run.signal(Signal::HUP);
    run.lines(&["configuration reloaded"], 2);
    stage.sts.clear_faults();
    run.line(&["credentials obtained", "hop=2", "session_name=\"second\""]);
    let first_hops = stage.actions().iter().filter(|action| *action == "AssumeRoleWithWebIdentity").count();
    assert_eq!(first_hops, 2, "{}", run.stderr());
}

#[test]
fn renamed_profile_serves_the_credentials_of_its_chain_at_once_and_renews_them() {
    let stage = Stage::new();
    let config = role_b_config(&stage);
    let run = stage.with_config(&[RUN, &["--all-profiles"]].concat(), &config).start();
    let address = run.address();
    run.lines(&["credentials obtained"], 2);
    let calls = stage.sts.requests().len();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    stage.write("config", &config.replace("[default]", "[profile renamed]"));
    run.signal(Signal::HUP);
    run.line(&["configuration reloaded"]);
    assert_eq!(get(address, "/v1/credentials/renamed", &[]).text("RoleArn"), ROLE_B);
    assert_eq!(get(address, "/v1/credentials/default", &[]).status, 404);
    stage.sts.wait_for_requests(calls + 1, DEADLINE);
    stage.sts.clear_faults();
    run.line(&["credentials obtained", "profile=renamed"]);
}

#[test]
fn changed_ca_bundle_is_read_again() {
    let stage = Stage::with_sts(
        local_sts::LocalSts::start_tls(local_sts::World::two_accounts(), local_sts::TlsVersions::Both).expect("starts"),
    );
    let other = local_sts::LocalSts::start_tls(local_sts::World::two_accounts(), local_sts::TlsVersions::Both);
    let other = other.expect("starts");
    let bundle = stage.write("ca.pem", stage.sts.ca_pem().expect("a certificate"));
    let run = stage.credvend(RUN).env("AWS_CA_BUNDLE", bundle).start();
    run.line(&["credentials obtained"]);
    stage.write("ca.pem", other.ca_pem().expect("a certificate"));
    run.signal(Signal::HUP);
    run.line(&["exchange failed", "certificate"]);
    stage.write("ca.pem", stage.sts.ca_pem().expect("a certificate"));
    run.signal(Signal::HUP);
    run.lines(&["credentials obtained"], 2);
}

/// Returns the duration from SIGTERM until the process exits with 0.
fn termination(run: Running) -> Duration {
    let start = Instant::now();
    run.terminate().succeeded();
    start.elapsed()
}

#[test]
fn sigterm_ends_a_start_and_a_reload_that_wait_for_a_lock() {
    let stage = Stage::new();
    let directory = stage.path("authorization");
    std::fs::create_dir(&directory).expect("a directory");
    let lock = File::open(&directory).expect("open");
    let arguments = [RUN, &["--log-level", "debug"]].concat();
    let start = || stage.credvend(&arguments).env("CREDVEND_AUTH_TOKEN_DIR", &directory).start();

    flock(&lock, FlockOperation::LockExclusive).expect("locked");
    let run = start();
    run.line(&["opening the sinks"]);
    let at_start = termination(run);

    flock(&lock, FlockOperation::Unlock).expect("unlocked");
    let run = start();
    run.line(&["credentials obtained"]);
    flock(&lock, FlockOperation::LockExclusive).expect("locked");
    std::fs::remove_file(directory.join("default")).expect("removed");
    run.signal(Signal::HUP);
    run.line(&["reading the configuration again"]);
    let during_a_reload = termination(run);
    let limit = Duration::from_secs(5);
    assert!(at_start < limit && during_a_reload < limit, "{at_start:?}, {during_a_reload:?}");
}

#[test]
fn reload_command_signals_credvend_run_and_nothing_else() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).start();
    run.line(&["credentials obtained"]);
    let reload = |pid: &str| Credvend::new(&["reload", "--pid", pid]).end();
    let ended = reload(&run.id().to_string()).succeeded();
    assert_eq!((ended.stdout.as_str(), ended.stderr.as_str()), ("", ""));
    run.line(&["configuration reloaded"]);
    run.lines(&["credentials obtained"], 2);

    // SIGHUP ends these processes.
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let file = stage.path("credentials").display().to_string();
    let mut once = stage.credvend(&["--log-level", "debug", "run", "--once", "--credentials-file", &file]).start();
    let mut export = stage.credvend(&["export"]).start();
    let mut sleep = std::process::Command::new("sleep").args(["60"]).spawn().expect("started");
    stage.sts.wait_for_requests(4, DEADLINE);
    for pid in [once.id(), export.id(), sleep.id(), std::process::id()] {
        reload(&pid.to_string()).failed(1, &[&format!("process {pid} is not `credvend run`"), "use --pid "]);
    }
    assert!(once.is_running() && export.is_running() && sleep.try_wait().expect("a status").is_none());
    sleep.kill().expect("killed");
    sleep.wait().expect("reaped");
    reload("4194304").failed(1, &["process 4194304 is not `credvend run`"]);
    for pid in ["0", "-1", "x", ""] {
        Credvend::new(&["reload", &format!("--pid={pid}")]).end().failed(2, &["--pid"]);
    }
    // In the container of `credvend run`, its process ID is 1. Here it is that of another program.
    Credvend::new(&["reload"]).end().failed(1, &["process 1 is not `credvend run`"]);
}
