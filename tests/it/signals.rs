use std::{os::unix::process::ExitStatusExt as _, time::Duration};

use crate::support::{ROLE_A, ROLE_B, Signal, Stage, get, wait_until};

const RUN: &[&str] = &["run", "--listen", "127.0.0.1:0"];

#[test]
fn sigterm_and_sigint_end_run_with_success() {
    for signal in [Signal::TERM, Signal::INT] {
        let stage = Stage::new();
        let run = stage.credvend(RUN).start();
        run.line(&["credentials obtained"]);
        run.signal(signal);
        run.wait().succeeded();
    }
}

#[test]
fn sigterm_before_the_first_credentials_ends_run_too() {
    let stage = Stage::new();
    stage.fault(local_sts::Fault::new(local_sts::FaultKind::Hang).forever());
    let run = stage.credvend(RUN).start();
    stage.sts.wait_for_requests(1, crate::support::DEADLINE);
    run.terminate().succeeded();
}

#[test]
fn while_draining_credentials_are_served_and_a_second_signal_ends_at_once() {
    let stage = Stage::new();
    let mut run = stage.credvend(RUN).env("CREDVEND_DRAIN", "10m").start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    run.signal(Signal::TERM);
    run.line(&["shutting down"]);
    assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
    assert!(run.is_running());
    run.signal(Signal::TERM);
    let status = run.status();
    assert!(status.code() == Some(143) || status.signal() == Some(15), "{status}");
}

#[test]
fn answers_under_way_are_finished() {
    use std::io::{Read as _, Write as _};

    let stage = Stage::new();
    stage.fault(local_sts::Fault::new(local_sts::FaultKind::Hang).forever());
    let run = stage.credvend(RUN).start();
    let address = run.address();
    let mut stream = std::net::TcpStream::connect(address).expect("connected");
    write!(stream, "GET /v1/credentials HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("sent");
    stage.sts.wait_for_requests(1, crate::support::DEADLINE);
    // The request now waits for the first credentials. The end waits for its answer.
    let _ = get(address, "/healthz", &[]);
    run.signal(Signal::TERM);
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer:?}");
    run.wait().succeeded();
}

#[test]
fn sighup_reads_the_configuration_again_and_refreshes_now() {
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

    // A broken one changes nothing.
    stage.write("config", "[default\nrole_arn");
    run.signal(Signal::HUP);
    run.line(&["configuration not reloaded", "line 1"]);
    assert_eq!(get(address, "/v1/credentials", &[]).text("AccessKeyId"), second);

    let token = stage.tokens.token_file();
    stage.write("config", &format!(
        "[default]\nrole_arn = {ROLE_B}\nsource_profile = a\n[profile a]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {}\n",
        token.display()
    ));
    run.signal(Signal::HUP);
    run.line(&["credentials obtained", ROLE_B]);
    wait_until("the endpoint serves the new role", || get(address, "/v1/credentials", &[]).text("RoleArn") == ROLE_B);
}

#[test]
fn an_end_takes_no_longer_than_it_must() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    // An idle connection holds nothing up.
    let _idle = std::net::TcpStream::connect(address).expect("connected");
    let begun = std::time::Instant::now();
    run.terminate().succeeded();
    assert!(begun.elapsed() < Duration::from_secs(10), "the last answers have a second, idle connections none");
}

#[test]
fn a_one_shot_ends_at_the_first_signal() {
    let stage = Stage::new();
    stage.fault(local_sts::Fault::new(local_sts::FaultKind::Hang).forever());
    let run = stage.credvend(&["export"]).start();
    stage.sts.wait_for_requests(1, crate::support::DEADLINE);
    assert_eq!(run.terminate().code, Some(143));
}

#[test]
fn the_process_leaves_no_core() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).start();
    run.line(&["listening"]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", run.id()));
    // Somebody other than root may not even look: that is the point.
    if let Ok(limits) = limits {
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a limit");
        assert_eq!(core.split_whitespace().filter(|word| *word == "0").count(), 2, "{core}");
    }
    let owner =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(format!("/proc/{}/mem", run.id())).expect("there"));
    assert_eq!(owner, 0, "what is not dumpable belongs to root in /proc");
}
