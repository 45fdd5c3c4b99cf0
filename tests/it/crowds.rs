use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, Signal, getrlimit, prlimit, setrlimit};

use crate::support::{Credvend, Running, Stage, get};

/// More connections than credvend keeps open, which is 256.
pub(crate) const CROWD: usize = 300;
/// More than a request takes on a busy machine, and less than the 10 s after which credvend closes idle connections.
const PROMPT: Duration = Duration::from_secs(5);

/// Opens connections and sends `start` on each of them.
pub(crate) fn crowd(address: SocketAddr, count: usize, start: &str) -> Vec<TcpStream> {
    let mut files = getrlimit(Resource::Nofile);
    // The tests of this file run at the same time, in one process.
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).expect("raise the limit of open files");
    let connect = |_| {
        let mut stream = TcpStream::connect(address).expect("connect");
        // credvend closes the connections that have been idle for the longest time.
        let _ = stream.write_all(start.as_bytes());
        stream
    };
    (0..count).map(connect).collect()
}

/// Asserts that requests on new connections and `credvend health` succeed promptly.
#[track_caller]
fn assert_served(address: SocketAddr) {
    for path in ["/healthz", "/readyz", "/v1/credentials"] {
        let started = Instant::now();
        assert_eq!(get(address, path, &[]).status, 200, "{path}");
        assert!(started.elapsed() < PROMPT, "{path} took {:?}", started.elapsed());
    }
    // Fails if it gets no response within 0.9 s.
    Credvend::new(&["health", "--listen", &address.to_string()]).end().succeeded();
}

fn start(stage: &Stage) -> Running {
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]).start();
    run.line(&["credentials obtained"]);
    run
}

#[test]
fn idle_connections_shut_nobody_out() {
    let stage = Stage::new();
    let run = start(&stage);
    let _idle = crowd(run.address(), CROWD, "");
    assert_served(run.address());
    assert_eq!(get(run.admin_address(), "/readyz", &[]).status, 200);
    let line = run.line(&["WARN", "too many connections", "limit=256"]);
    let closed = line.split("closed=").nth(1).and_then(|rest| rest.split(' ').next()).expect("a number");
    assert!(closed.parse::<usize>().expect("a number") >= CROWD - 256, "{line}");
    assert_eq!(run.lines(&["too many connections"], 1).len(), 1, "one line a minute");
}

#[test]
fn slow_request_heads_shut_nobody_out() {
    let stage = Stage::new();
    let run = start(&stage);
    let mut slow = crowd(run.address(), CROWD, "GET /v1/cred");
    for stream in &mut slow {
        // Another byte does not make a connection less idle. credvend has closed some of them.
        let _ = stream.write_all(b"e");
    }
    assert_served(run.address());
}

#[test]
fn kept_connections_shut_nobody_out() {
    let stage = Stage::new();
    let run = start(&stage);
    let address = run.address();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    for mut stream in &crowd(address, CROWD, &request) {
        let mut response = [0; 12];
        stream.read_exact(&mut response).expect("a response on each connection");
        assert_eq!(&response, b"HTTP/1.1 200");
    }
    let _kept = crowd(address, CROWD, &request);
    assert_served(address);
}

#[test]
fn crowd_on_one_listener_leaves_the_connections_of_the_other_open() {
    let stage = Stage::new();
    let run = start(&stage);
    let admin = run.admin_address();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {admin}\r\n\r\n");
    let mut probe = TcpStream::connect(admin).expect("connect");
    let _idle = crowd(run.address(), CROWD, "");
    assert_served(run.address());
    probe.write_all(request.as_bytes()).expect("sent");
    let mut response = [0; 12];
    probe.read_exact(&mut response).expect("a response");
    assert_eq!(&response, b"HTTP/1.1 200");
}

#[test]
fn few_open_files_leave_connections_for_everybody() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).open_files(64).start();
    run.line(&["credentials obtained"]);
    let _idle = crowd(run.address(), CROWD, "");
    assert_served(run.address());
    run.line(&["too many connections", "limit=24"]);
}

#[test]
fn crowd_leaves_file_descriptors_for_calls_of_sts() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).open_files(64).start();
    run.line(&["credentials obtained"]);
    let _idle = crowd(run.address(), CROWD, "");
    run.line(&["too many connections"]);
    run.signal(Signal::HUP);
    run.lines(&["credentials obtained"], 2);
    let log = run.terminate().succeeded().stderr;
    assert!(!log.contains("exchange failed"), "{log}");
}

#[test]
fn new_connection_gets_the_file_descriptor_of_an_idle_one() {
    let stage = Stage::new();
    let run = start(&stage);
    let process = i32::try_from(run.id()).ok().and_then(rustix::process::Pid::from_raw);
    let limit = Rlimit { current: Some(40), ..getrlimit(Resource::Nofile) };
    prlimit(process, Resource::Nofile, limit).expect("lower the limit of open files");
    let _idle = crowd(run.address(), CROWD, "");
    assert_served(run.address());
    assert_eq!(get(run.admin_address(), "/readyz", &[]).status, 200);
    run.line(&["too many connections"]);
}
