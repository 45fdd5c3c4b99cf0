use std::{
    collections::BTreeSet,
    fs::File,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    time::{Duration, Instant},
};

use local_sts::{Fault, FaultKind};
use rustix::fs::{FlockOperation, flock};

use crate::support::{Credvend, ROLE_A, Running, Stage, get, raw, wait_until};

const RUN: &[&str] = &["run", "--listen", "127.0.0.1:0", "--imds-listen", "127.0.0.1:0"];
const ROLE: &str = "/latest/meta-data/iam/security-credentials/account-a-role";

/// Returns the address of the instance metadata service.
fn imds_address(run: &Running) -> SocketAddr {
    let line = run.line(&["listening as instance metadata service"]);
    line.split("url=http://").nth(1).expect("a URL").trim().parse().expect("an address")
}

/// Opens a session of the instance metadata service at this path, and returns the header with its token.
fn session(address: SocketAddr, path: &str, host: &str) -> String {
    let request = format!(
        "PUT {path} HTTP/1.1\r\nHost: {host}\r\nX-aws-ec2-metadata-token-ttl-seconds: 300\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    );
    let response = raw(address, &request);
    assert_eq!(response.status, 200, "{path} {host}");
    format!("X-aws-ec2-metadata-token: {}", response.body)
}

fn session_at(address: SocketAddr) -> String {
    session(address, "/latest/api/token", &address.to_string())
}

#[test]
fn host_header_without_a_port_names_the_listener() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).start();
    let (address, imds) = (run.address(), imds_address(&run));
    run.line(&["credentials obtained"]);
    let session = session_at(imds);
    let status = |address: SocketAddr, path: &str, host: &str| {
        let headers = format!("Host: {host}\r\n{session}\r\nConnection: close");
        raw(address, &format!("GET {path} HTTP/1.1\r\n{headers}\r\n\r\n")).status
    };
    for (host, expected) in [
        ("127.0.0.1", 200),
        ("localhost", 200),
        ("::1", 200),
        ("[::1]", 200),
        ("[::ffff:127.0.0.1]", 200),
        ("127.0.0.2", 403),
        ("10.0.0.7", 403),
        ("rebound.example", 403),
        ("localhost.rebound.example", 403),
        ("127.0.0.1:80", 403),
    ] {
        assert_eq!(status(address, "/v1/credentials", host), expected, "endpoint, {host}");
        assert_eq!(status(imds, ROLE, host), expected, "instance metadata service, {host}");
    }
}

#[test]
fn repeated_and_trailing_slashes_do_not_change_the_path() {
    let stage = Stage::new();
    let run = stage.credvend(&[RUN, &["--admin-listen", "127.0.0.1:0"]].concat()).start();
    let (address, imds) = (run.address(), imds_address(&run));
    run.line(&["credentials obtained"]);
    for path in ["/v1/credentials/", "//v1/credentials", "/v1//credentials//default/", "/readyz/", "//v1/status/"] {
        assert_eq!(get(address, path, &[]).status, 200, "{path}");
    }
    for path in ["/v1/credentials/../credentials", "/v1/credentials/%2e%2e", "/v1%2Fcredentials", "/v1/credentials/%2F"]
    {
        assert_eq!(get(address, path, &[]).status, 404, "{path}");
    }
    for path in ["//latest/api/token", "/latest/api/token/"] {
        let session = session(imds, path, &imds.to_string());
        for path in [&format!("/{ROLE}"), &format!("{ROLE}/"), &ROLE.replace("/iam/", "//iam//")] {
            assert_eq!(get(imds, path, &[&session]).text("Code"), "Success", "{path}");
        }
        assert_eq!(get(imds, &format!("{ROLE}/.."), &[&session]).status, 404);
    }
    for path in ["/healthz/", "//metrics"] {
        assert_eq!(get(run.admin_address(), path, &[]).status, 200, "{path}");
    }
}

#[test]
fn instance_metadata_service_answers_within_half_a_second_before_the_first_credentials() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(RUN).start();
    let address = imds_address(&run);
    let session = session_at(address);
    // The fastest of several requests, because the machine may be busy.
    let duration = (0..5).map(|_| {
        let sent = Instant::now();
        assert_eq!(get(address, ROLE, &[&session]).status, 503);
        sent.elapsed()
    });
    let duration = duration.min().expect("a duration");
    assert!(duration >= Duration::from_millis(350) && duration < Duration::from_millis(700), "{duration:?}");
}

/// Returns a free port of the loopback address.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// Sends a GET request, and returns the status if the server is reachable.
fn status(address: &str, path: &str, header: &str) -> Option<u16> {
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\n{header}\r\nConnection: close\r\n\r\n").ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    response.split(' ').nth(1)?.parse().ok()
}

#[test]
fn configured_profile_is_known_from_the_first_connection_on() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path("shared")).expect("a directory");
    // The config file sink waits for the lock for a second, while the other listeners are open.
    let lock = File::open(stage.path("shared")).expect("open");
    flock(&lock, FlockOperation::LockExclusive).expect("locked");
    let (address, imds) = (free_address(), free_address());
    let arguments = ["run", "--listen", &address, "--imds-listen", &imds];
    let run = stage.credvend(&arguments).env("CREDVEND_CONFIG_FILE", stage.path("shared/config")).start();
    let (mut statuses, mut session) = (BTreeSet::new(), None);
    wait_until("the endpoints serve credentials", || {
        if session.is_none() && TcpStream::connect(&imds).is_ok() {
            session = Some(session_at(imds.parse().expect("an address")));
        }
        let mut requests = vec![
            status(&address, "/v1/credentials/default", ""),
            status(&address, "/v1/credentials", ""),
            status(&address, "/readyz?profile=default", ""),
        ];
        requests.extend(session.as_ref().map(|session| status(&imds, ROLE, session)));
        statuses.extend(requests.iter().flatten());
        assert!(statuses.is_subset(&BTreeSet::from([200, 503])), "{statuses:?}\n{}", run.stderr());
        requests.len() == 4 && requests.iter().all(|status| *status == Some(200))
    });
}

#[test]
fn clients_get_credentials_soon_after_an_outage() {
    let stage = Stage::new();
    stage.fault(Fault::throttle().forever());
    let endpoint = stage.credvend(RUN).start();
    let imds = stage.credvend(RUN).start();
    let for_process = stage.credvend(RUN).start();
    let url = format!("http://{}/v1/credentials", for_process.address());
    // From the sixth failure on, the back-off is up to 60 s.
    for run in [&endpoint, &imds, &for_process] {
        run.lines(&["exchange failed"], 4);
    }
    let (address, imds_address) = (endpoint.address(), imds_address(&imds));
    let session = session_at(imds_address);
    let process = Credvend::new(&["process", "--from-endpoint", &url, "--timeout", "60s"]).start();
    wait_until("requests cause attempts", || {
        assert_eq!(get(address, "/v1/credentials", &[]).status, 503);
        assert_eq!(get(imds_address, ROLE, &[&session]).status, 503);
        [&endpoint, &imds, &for_process].iter().all(|run| run.stderr().matches("exchange failed").count() >= 6)
    });
    stage.sts.clear_faults();
    let end = Instant::now();
    // An attempt every 2 s, and a retry of `process` every 0.5 s.
    let limit = Duration::from_secs(5);
    assert!(process.wait().succeeded().stdout.contains("\"Version\":1"));
    let of_process = end.elapsed();
    wait_until("the endpoint serves credentials", || get(address, "/v1/credentials", &[]).status == 200);
    wait_until("the instance metadata service serves credentials", || {
        get(imds_address, ROLE, &[&session]).status == 200
    });
    let of_all = end.elapsed();
    eprintln!("process: {of_process:?}, all: {of_all:?}");
    assert!(of_process < limit && of_all < limit, "{of_process:?}, {of_all:?}");
}

#[test]
fn first_rejection_of_each_kind_is_a_warning_with_its_reason_and_user_agent() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization")).start();
    let (address, imds) = (run.address(), imds_address(&run));
    run.line(&["credentials obtained"]);
    let reject = |address: SocketAddr, path: &str, host: &str, agent: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nConnection: close\r\n\r\n");
        assert!(raw(address, &head).status >= 400);
    };
    let long = "x".repeat(500);
    for number in 0..50 {
        reject(address, "/v1/credentials", "rebound.example", &format!("aws-crt/{number} {long}"));
        reject(address, "/v1/credentials", &address.to_string(), &format!("old-sdk/{number}"));
        reject(imds, &format!("/latest/{number}"), "rebound.example", &format!("other/{number}"));
    }
    let wrong = format!("Authorization: {}", "guessed-token-0123456789");
    assert_eq!(get(address, "/v1/credentials", &[&wrong]).status, 401);
    let foreign =
        run.line(&["WARN", "request rejected", "403", "the Host header does not name this endpoint", "aws-crt/0"]);
    assert!(foreign.len() < 500, "{foreign}");
    run.line(&["WARN", "request rejected", "401", "authorization token is missing or wrong", "old-sdk/0"]);
    run.line(&["WARN", "request rejected", "instance metadata service", "other/0"]);
    let token = stage.read("authorization");
    let log = run.terminate().succeeded().stderr;
    assert_eq!(log.matches("request rejected").count(), 3, "{log}");
    assert!(!log.contains(&token) && !log.contains("guessed-token"), "{log}");

    let run = stage.credvend(&[RUN, &["--log-level", "debug"]].concat()).start();
    let address = run.address();
    for number in 0..2 {
        reject(address, "/v1/other", &address.to_string(), &format!("a\u{202e}{number}"));
    }
    run.line(&["DEBUG", "request rejected", "404", "count=2"]);
    assert!(!run.stderr().contains('\u{202e}'));
}

#[test]
fn refusal_without_a_token_helps_old_and_new_clients() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization")).start();
    let message = get(run.address(), "/v1/credentials", &[]).text("message");
    for word in
        ["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN ", "--auth-token-optional"]
    {
        assert!(message.contains(word), "{word}: {message}");
    }
    assert!(message.contains("before 2024") && !message.contains(ROLE_A), "{message}");
}
