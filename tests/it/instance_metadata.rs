use std::net::SocketAddr;

use local_sts::{Fault, FaultKind};

use crate::support::{ROLE_A, ROLE_B, Response, Running, Signal, Stage, get, raw};

const ROLE: &str = "/latest/meta-data/iam/security-credentials/";

/// Starts `run` with an instance metadata service, waits for credentials and returns the service's address.
fn start(stage: &Stage) -> (Running, SocketAddr) {
    let run = stage.credvend(&["run", "--listen", "none", "--imds-listen", "127.0.0.1:0"]).start();
    let line = run.line(&["listening as instance metadata service"]);
    let address = line.split("url=http://").nth(1).expect("a URL").trim().parse().expect("an address");
    run.line(&["credentials obtained"]);
    (run, address)
}

/// Requests a session token with these headers.
fn put(address: SocketAddr, headers: &str) -> Response {
    raw(
        address,
        &format!(
            "PUT /latest/api/token HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"
        ),
    )
}

/// Opens a session and returns the header with its token.
fn session(address: SocketAddr) -> String {
    let response = put(address, "X-aws-ec2-metadata-token-ttl-seconds: 300\r\n");
    assert_eq!((response.status, response.header("x-aws-ec2-metadata-token-ttl-seconds")), (200, Some("300")));
    format!("X-aws-ec2-metadata-token: {}", response.body)
}

#[test]
fn session_token_grants_access_to_role_and_region() {
    let stage = Stage::new();
    let (_run, address) = start(&stage);
    let session = session(address);
    let name = get(address, ROLE, &[&session]);
    assert_eq!((name.body.as_str(), name.header("content-type")), ("account-a-role", Some("text/plain")));
    assert_eq!(get(address, ROLE.trim_end_matches('/'), &[&session]).body, "account-a-role");
    let document = get(address, &format!("{ROLE}account-a-role"), &[&session]);
    assert_eq!((document.text("Code"), document.text("Type")), ("Success".into(), "AWS-HMAC".into()));
    assert!(document.text("AccessKeyId").starts_with("ASIA") && document.text("Expiration").ends_with('Z'));
    assert!(ROLE_A.contains(&document.text("AccountId")) && document.text("LastUpdated").ends_with('Z'));
    assert_eq!(get(address, "/latest/meta-data/placement/region", &[&session]).body, "eu-central-1");
    assert_eq!(get(address, "/latest/meta-data/placement/availability-zone", &[&session]).body, "eu-central-1a");
    let identity = get(address, "/latest/dynamic/instance-identity/document", &[&session]);
    assert_eq!(identity.text("region"), "eu-central-1");
    for absent in
        [&format!("{ROLE}other"), "/latest/meta-data/iam/security-credentials-extended/", "/", "/v1/credentials"]
    {
        assert_eq!(get(address, absent, &[&session]).status, 404, "{absent}");
    }
}

#[test]
fn request_before_the_first_exchange_waits_for_credentials() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Delay { milliseconds: 200 }));
    let run = stage.credvend(&["run", "--listen", "none", "--imds-listen", "127.0.0.1:0"]).start();
    let line = run.line(&["listening as instance metadata service"]);
    let address = line.split("url=http://").nth(1).expect("a URL").trim().parse().expect("an address");
    let document = get(address, &format!("{ROLE}account-a-role"), &[&session(address)]);
    assert_eq!(document.text("Code"), "Success");
}

#[test]
fn listing_names_the_role_whose_credentials_are_served() {
    let stage = Stage::new();
    let config = |role: &str| {
        format!("[default]\nrole_arn = {role}\nweb_identity_token_file = {}\n", stage.tokens.token_file().display())
    };
    let arguments = ["run", "--listen", "none", "--imds-listen", "127.0.0.1:0"];
    let run = stage.with_config(&arguments, &config(ROLE_A)).start();
    let line = run.line(&["listening as instance metadata service"]);
    let address = line.split("url=http://").nth(1).expect("a URL").trim().parse().expect("an address");
    run.line(&["credentials obtained"]);

    // The trust policy of role B does not allow the token, so the credentials of role A stay.
    stage.write("config", &config(ROLE_B));
    run.signal(Signal::HUP);
    run.line(&["exchange failed", ROLE_B]);
    let session = session(address);
    assert_eq!(get(address, ROLE, &[&session]).body, "account-a-role");
    let document = get(address, &format!("{ROLE}account-a-role"), &[&session]);
    assert!(ROLE_A.contains(&document.text("AccountId")), "{}", document.body);
    assert_eq!(get(address, &format!("{ROLE}account-b-role"), &[&session]).status, 404);
}

#[test]
fn imds_version_1_forwarded_requests_and_invalid_ttls_are_refused() {
    let stage = Stage::new();
    let (_run, address) = start(&stage);
    assert_eq!(get(address, ROLE, &[]).status, 401);
    assert_eq!(get(address, ROLE, &["X-aws-ec2-metadata-token: guessed"]).status, 401);
    for seconds in ["", "0", "21601", "-1", "soon"] {
        let header = format!("X-aws-ec2-metadata-token-ttl-seconds: {seconds}\r\n");
        assert_eq!(put(address, &header).status, 400, "{seconds}");
    }
    assert_eq!(put(address, "").status, 400);
    let forwarded = "X-aws-ec2-metadata-token-ttl-seconds: 300\r\nX-Forwarded-For: 10.0.0.1\r\n";
    assert_eq!(put(address, forwarded).status, 403);
    assert_eq!(get(address, "/latest/api/token", &[]).status, 405);
    let rebound = "PUT /latest/api/token HTTP/1.1\r\nHost: rebound.example\r\nX-aws-ec2-metadata-token-ttl-seconds: 9\r\n\
        Content-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!(raw(address, rebound).status, 403);
}

#[test]
fn many_sessions_end_no_session_of_another_client() {
    let stage = Stage::new();
    let (_run, address) = start(&stage);
    let first = session(address);
    for _ in 0..300 {
        session(address);
    }
    assert_eq!(get(address, ROLE, &[&first]).status, 200);
}

#[test]
fn non_local_listen_address_is_refused() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--imds-listen", "0.0.0.0:0"]);
    run.end().failed(2, &["--imds-listen", "169.254.169.254"]);
}
