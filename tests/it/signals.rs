use std::{
    net::TcpStream,
    os::unix::{fs::MetadataExt as _, process::ExitStatusExt as _},
    time::{Duration, Instant},
};

use local_sts::{Fault, FaultKind};

use crate::support::{DEADLINE, ROLE_A, Signal, Stage, get};

const RUN: &[&str] = &["run", "--listen", "127.0.0.1:0"];

#[test]
fn sigterm_and_sigint_end_run_with_exit_code_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let stage = Stage::new();
        let run = stage.credvend(RUN).start();
        run.line(&["credentials obtained"]);
        run.signal(signal);
        run.wait().succeeded();
    }
}

#[test]
fn sigterm_before_the_first_credentials_ends_run() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(RUN).start();
    stage.sts.wait_for_requests(1, DEADLINE);
    run.terminate().succeeded();
}

#[test]
fn draining_serves_credentials_and_second_sigterm_ends_at_once() {
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
fn requests_in_flight_are_answered_before_exit() {
    use std::io::{Read as _, Write as _};

    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(RUN).start();
    let address = run.address();
    let mut stream = TcpStream::connect(address).expect("connect");
    write!(stream, "GET /v1/credentials HTTP/1.1\r\nHost: {address}\r\n\r\n").expect("send");
    stage.sts.wait_for_requests(1, DEADLINE);
    // The server accepts connections in order, so after this probe the first request is read and waits for credentials.
    let _ = get(address, "/healthz", &[]);
    run.signal(Signal::TERM);
    let mut response = String::new();
    stream.read_to_string(&mut response).expect("read response");
    assert!(response.starts_with("HTTP/1.1 503"), "{response:?}");
    run.wait().succeeded();
}

#[test]
fn idle_connections_do_not_delay_shutdown() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    let _idle = TcpStream::connect(address).expect("connect");
    let start = Instant::now();
    run.terminate().succeeded();
    assert!(
        start.elapsed() < Duration::from_secs(10),
        "shutdown waits one second for responses and not for idle connections"
    );
}

#[test]
fn sigterm_ends_a_one_shot_with_143() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(&["export"]).start();
    stage.sts.wait_for_requests(1, DEADLINE);
    assert_eq!(run.terminate().code, Some(143));
}

#[test]
fn signals_before_the_command_is_known_have_their_usual_effect() {
    // So many flags that parsing the command line takes a while.
    let flags = "--profile=default ".repeat(40_000);
    let stage = Stage::new();
    let token = stage.tokens.token_file();
    let config = format!("[default]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {}\n", token.display());
    let path = stage.write("config", &config);
    let start = |command: &[&str]| {
        let (program, rest) = command.split_first().expect("a command");
        let arguments: Vec<&str> =
            std::iter::once(*program).chain(flags.split_whitespace()).chain(rest.iter().copied()).collect();
        let running = stage.bare(&arguments).env("AWS_CONFIG_FILE", &path).env("PATH", "/usr/bin:/bin").start();
        // The process has started long before, and still parses.
        running.wait_for_cpu_time(3);
        running
    };
    let run = ["run", "--listen", "127.0.0.1:0"];
    let exec = ["exec", "--", "sleep", "60"];
    for (command, signal, code) in [
        (&run[..], Signal::TERM, 0),
        (&run, Signal::INT, 0),
        (&["export"], Signal::TERM, 143),
        (&["export"], Signal::INT, 130),
        (&["export"], Signal::HUP, 129),
        (&exec, Signal::TERM, 143),
        (&exec, Signal::HUP, 129),
    ] {
        let running = start(command);
        running.signal(signal);
        let ended = running.wait();
        assert_eq!(ended.code, Some(code), "{command:?} after {signal:?}: {}", ended.stderr);
    }
    let running = start(&run);
    running.signal(Signal::HUP);
    running.line(&["configuration reloaded"]);
    running.terminate().succeeded();
}

#[test]
fn process_is_not_dumpable_and_its_core_limit_is_0() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).start();
    run.line(&["listening"]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", run.id()));
    // Only root can read the limits of a process that is not dumpable.
    if let Ok(limits) = limits {
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a core file limit");
        assert_eq!(core.split_whitespace().filter(|field| *field == "0").count(), 2, "{core}");
    }
    let metadata = std::fs::metadata(format!("/proc/{}/mem", run.id())).expect("read metadata");
    assert_eq!(metadata.uid(), 0, "root owns the /proc files of a process that is not dumpable");
}
