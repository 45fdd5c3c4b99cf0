use std::time::Duration;

use local_sts::{Claims, Fault, LocalSts, World, WorldError};
use serde_json::{Value, json};

use crate::support::{Credentials, FORM, form, post, request, role_a_credentials, sign, signed, start, with_token};

#[test]
fn malformed_requests_are_refused() {
    let sts = start();
    let url = sts.url();
    let body = form("GetCallerIdentity", &[]);
    for (method, target, content_type, body, code, status) in [
        ("POST", "/", FORM, "Version=2011-06-15", "MissingAction", 400),
        ("POST", "/", FORM, "Action=Dance&Version=2011-06-15", "InvalidAction", 400),
        ("POST", "/", FORM, "Action=GetCallerIdentity", "InvalidAction", 400),
        ("POST", "/", FORM, "Action=GetCallerIdentity&Version=2010-01-01", "InvalidAction", 400),
        ("POST", "/", FORM, "Action=GetCallerIdentity&Action=AssumeRole&Version=2011-06-15", "MalformedInput", 400),
        ("POST", "/", "application/json", "{}", "UnknownOperationException", 404),
        ("POST", "/", "", body.as_str(), "UnknownOperationException", 404),
        ("POST", "/sts", FORM, body.as_str(), "UnknownOperationException", 404),
        ("GET", "/", FORM, "", "UnknownOperationException", 404),
        ("GET", "/?Action=AssumeRoleWithWebIdentity&WebIdentityToken=x", FORM, "", "MalformedQueryString", 400),
        ("POST", "/?WebIdentityToken=x", FORM, body.as_str(), "MalformedQueryString", 400),
        ("POST", "/", FORM, body.as_str(), "MissingAuthenticationToken", 403),
    ] {
        request(&url, method, target, &[("content-type", content_type)], body).expect_error(code, status, "");
    }
    let with_charset = "application/x-www-form-urlencoded; charset=utf-8";
    request(&url, "POST", "/", &[("content-type", with_charset)], &body).expect_error(
        "MissingAuthenticationToken",
        403,
        "",
    );
    post(&url, "AssumeRole", &[]).expect_error(
        "MissingAuthenticationToken",
        403,
        "Request is missing Authentication Token",
    );
    let too_long = "x".repeat(2 << 20);
    assert!(
        crate::support::send_raw(&url, "POST", "/", &[("content-type", FORM)], &too_long)
            .map_or(true, |response| response.is_empty())
    );
}

#[test]
fn web_identity_request_ignores_the_authorization_header() {
    let sts = start();
    let token = sts.mint(&Claims::default());
    let parameters = [
        ("RoleArn", "arn:aws:iam::111111111111:role/account-a-role"),
        ("RoleSessionName", "ab"),
        ("WebIdentityToken", &token),
    ];
    let body = form("AssumeRoleWithWebIdentity", &parameters);
    let headers = [("content-type", FORM), ("authorization", "Bearer nonsense")];
    request(&sts.url(), "POST", "/", &headers, &body).expect_credentials();
}

#[test]
fn connection_is_reused() {
    use std::io::{BufRead, BufReader, Read, Write};
    let sts = start();
    let stream = std::net::TcpStream::connect(sts.url().trim_start_matches("http://")).expect("connected");
    let mut reader = BufReader::new(&stream);
    for _ in 0..3 {
        write!(&stream, "GET /openid/v1/jwks HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("line");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().expect("number");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("body");
        assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON")["keys"][0]["kty"], "RSA");
    }
    assert!(sts.requests().is_empty(), "requests for the key set are not recorded");
}

#[test]
fn discovery_document_names_the_key_set() {
    let sts = start();
    let document: Value =
        serde_json::from_str(&request(&sts.url(), "GET", "/.well-known/openid-configuration", &[], "").body)
            .expect("JSON");
    assert_eq!(document["issuer"], sts.issuer());
    assert_eq!(document["jwks_uri"], format!("{}/openid/v1/jwks", sts.url()));
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256"]));
}

#[test]
fn requests_are_recorded() {
    let sts = start();
    let credentials = role_a_credentials(&sts);
    signed(&sts.url(), &credentials, "GetCallerIdentity", &[("Extra", "a b")]);
    request(&sts.url(), "GET", "/?token=x", &[], "");
    let requests = sts.wait_for_requests(3, Duration::from_secs(10));
    assert_eq!(requests[0].action.as_deref(), Some("AssumeRoleWithWebIdentity"));
    assert_eq!((requests[0].status, &requests[0].code), (Some(200), &None));
    assert!(!requests[0].headers.contains_key("authorization"));
    assert_eq!(requests[1].parameters["Extra"], "a b");
    assert!(requests[1].headers["authorization"].starts_with("AWS4-HMAC-SHA256 Credential=ASIA"));
    assert_eq!(requests[1].headers["x-amz-security-token"], credentials.token.expect("session token"));
    assert_eq!((requests[2].query.as_deref(), requests[2].status), (Some("token=x"), Some(400)));
    assert_eq!(requests[2].code.as_deref(), Some("MalformedQueryString"));
}

#[test]
fn wait_for_requests_returns_at_the_timeout() {
    let sts = start();
    assert!(sts.wait_for_requests(1, Duration::from_millis(20)).is_empty());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| sts.wait_for_requests(1, Duration::from_secs(10)).len());
        post(&sts.url(), "GetCallerIdentity", &[]);
        assert_eq!(waiting.join().expect("no panic"), 1);
    });
}

#[test]
fn issued_secrets_lists_every_secret() {
    let sts = start();
    let token = sts.mint(&Claims::default());
    let credentials = with_token(&sts, &token, &[]).expect_credentials();
    let secrets = sts.issued_secrets();
    for secret in
        [token, credentials.secret, credentials.token.expect("session token"), Credentials::of_base_user().secret]
    {
        assert!(secrets.contains(&secret));
    }
}

#[test]
fn control_routes_change_the_server() {
    let sts = start();
    let url = sts.url();
    let control = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        request(&url, method, &format!("/_local/{path}"), &[], &body)
    };
    let identity = || signed(&url, &Credentials::of_base_user(), "GetCallerIdentity", &[]);
    assert_eq!(control("POST", "faults", json!([{"kind": "throttle", "times": "forever"}])).status, 204);
    identity().expect_error("Throttling", 400, "");
    assert_eq!(control("DELETE", "faults", Value::Null).status, 204);
    assert_eq!(identity().status, 200);

    let token = control("POST", "token", json!({"service_account": "other", "lifetime": 600})).body;
    with_token(&sts, &token, &[]).expect_error("AccessDenied", 403, "");
    let token = control("POST", "token", json!({})).body;
    assert_eq!(control("PUT", "lifetime", json!({"seconds": 300})).status, 204);
    let credentials = with_token(&sts, &token, &[]).expect_credentials();
    let secrets = control("GET", "secrets", Value::Null).body;
    assert!(secrets.contains(&token) && secrets.contains(&credentials.secret), "{secrets}");
    assert_eq!(control("PUT", "clock", json!({"shift_seconds": 600})).status, 204);
    signed(&url, &credentials, "GetCallerIdentity", &[]).expect_error("ExpiredToken", 403, "");

    let recorded: Value = serde_json::from_str(&control("GET", "requests", Value::Null).body).expect("JSON");
    let recorded = recorded.as_array().expect("list");
    assert_eq!(recorded.len(), 5, "requests to control routes are not recorded");
    assert_eq!((&recorded[0]["fault"], &recorded[0]["status"]), (&json!("throttle"), &json!(400)));

    let secrets: Vec<String> = serde_json::from_str(&control("GET", "secrets", Value::Null).body).expect("JSON");
    assert_eq!(secrets, sts.issued_secrets());

    assert_eq!(control("PUT", "world", json!({"accounts": {}})).status, 204);
    identity().expect_error("InvalidClientTokenId", 403, "");
    for (method, path, body) in [
        ("POST", "faults", json!({"kind": "throttle"})),
        ("POST", "token", json!({"nmespace": "shop"})),
        ("PUT", "clock", json!({})),
        ("PUT", "lifetime", json!({"second": 1})),
        ("PUT", "world", json!({"accounts": {"1": {}}})),
    ] {
        assert_eq!(control(method, path, body).status, 400, "{method} {path}");
    }
    assert_eq!(control("GET", "faults", Value::Null).status, 404);
}

#[test]
fn invalid_worlds_are_refused() {
    let role = |changes: Value| {
        let mut role =
            json!({"trust": {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}});
        for (key, value) in changes.as_object().expect("object") {
            role[key] = value.clone();
        }
        World::from_json(&json!({"accounts": {"111111111111": {"roles": {"r": role}}}}).to_string())
    };
    role(json!({})).expect("valid");
    let unknown_operator = json!({"trust": {"Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "*", "Condition": {"NumericEquals": {"k": "1"}},
    }}});
    let error = role(unknown_operator).expect_err("unsupported operator").to_string();
    assert_eq!(error, "arn:aws:iam::111111111111:role/r: condition operator NumericEquals is not supported");
    assert!(matches!(role(json!({"path": "team"})), Err(WorldError::Role { .. })));
    assert!(matches!(role(json!({"max_session_duration": 60})), Err(WorldError::Role { .. })));
    assert!(matches!(role(json!({"trusts": {}})), Err(WorldError::Syntax(_))));
    assert!(matches!(World::from_json(r#"{"accounts": {"1": {}}}"#), Err(WorldError::AccountId(_))));
    let sts = start();
    assert!(matches!(sts.edit_role("arn:aws:iam::1:role/r", |_| ()), Err(WorldError::NoSuchRole(_))));
}

#[test]
fn world_sets_issuer_signing_region_and_faults() {
    let world = World {
        issuer: Some("https://oidc.example/cluster".to_owned()),
        signing_region: Some("eu-central-1".to_owned()),
        faults: vec![Fault::throttle()],
        ..World::two_accounts()
    };
    let sts = LocalSts::start(world).expect("server starts");
    post(&sts.url(), "GetCallerIdentity", &[]).expect_error("Throttling", 400, "");
    assert_eq!(sts.issuer(), "https://oidc.example/cluster");
    let response = with_token(&sts, &sts.mint(&Claims::default()), &[]);
    assert_eq!(response.expect("Provider"), "arn:aws:iam::111111111111:oidc-provider/oidc.example/cluster");
    // These tests sign for us-east-1.
    signed(&sts.url(), &response.expect_credentials(), "GetCallerIdentity", &[]).expect_error(
        "SignatureDoesNotMatch",
        403,
        "valid region",
    );
}

#[test]
fn signature_of_another_body_is_refused() {
    let sts = start();
    let signed_body = form("GetCallerIdentity", &[]);
    let headers = sign(&sts.url(), &Credentials::of_base_user(), &signed_body);
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("content-type", FORM));
    assert_eq!(request(&sts.url(), "POST", "/", &headers, &signed_body).status, 200);
    let other_body = form("GetCallerIdentity", &[("Extra", "1")]);
    request(&sts.url(), "POST", "/", &headers, &other_body).expect_error("SignatureDoesNotMatch", 403, "");
}
