use std::time::Duration;

use local_sts::{Claims, Fault, LocalSts, World, WorldError};
use serde_json::{Value, json};

use crate::support::{FORM, Keys, form, post, request, session_of_a, sign, signed, start, with_token};

#[test]
fn envelopes_that_are_refused() {
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
        request(&url, method, target, &[("content-type", content_type)], body).refused(code, status, "");
    }
    let with_charset = "application/x-www-form-urlencoded; charset=utf-8";
    request(&url, "POST", "/", &[("content-type", with_charset)], &body).refused("MissingAuthenticationToken", 403, "");
    post(&url, "AssumeRole", &[]).refused("MissingAuthenticationToken", 403, "Request is missing Authentication Token");
    let too_long = "x".repeat(2 << 20);
    assert!(
        crate::support::exchange(&url, "POST", "/", &[("content-type", FORM)], &too_long)
            .map_or(true, |answer| answer.is_empty())
    );
}

#[test]
fn a_web_identity_request_needs_no_signature_and_minds_none() {
    let sts = start();
    let token = sts.mint(&Claims::default());
    let parameters = [
        ("RoleArn", "arn:aws:iam::111111111111:role/account-a-role"),
        ("RoleSessionName", "ab"),
        ("WebIdentityToken", &token),
    ];
    let body = form("AssumeRoleWithWebIdentity", &parameters);
    let headers = [("content-type", FORM), ("authorization", "Bearer nonsense")];
    request(&sts.url(), "POST", "/", &headers, &body).granted();
}

#[test]
fn one_connection_serves_many_requests() {
    use std::io::{BufRead, BufReader, Read, Write};
    let sts = start();
    let stream = std::net::TcpStream::connect(sts.url().trim_start_matches("http://")).expect("connected");
    let mut reader = BufReader::new(&stream);
    for _ in 0..3 {
        write!(&stream, "GET /openid/v1/jwks HTTP/1.1\r\nhost: x\r\n\r\n").expect("sent");
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a line");
            if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().expect("a number");
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        assert_eq!(serde_json::from_slice::<Value>(&body).expect("JSON")["keys"][0]["kty"], "RSA");
    }
    assert!(sts.requests().is_empty(), "fetching keys is no request to STS");
}

#[test]
fn discovery_leads_to_the_keys() {
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
    let keys = session_of_a(&sts);
    signed(&sts.url(), &keys, "GetCallerIdentity", &[("Extra", "a b")]);
    request(&sts.url(), "GET", "/?token=x", &[], "");
    let requests = sts.wait_for_requests(3, Duration::from_secs(10));
    assert_eq!(requests[0].action.as_deref(), Some("AssumeRoleWithWebIdentity"));
    assert_eq!((requests[0].status, &requests[0].code), (Some(200), &None));
    assert!(!requests[0].headers.contains_key("authorization"));
    assert_eq!(requests[1].parameters["Extra"], "a b");
    assert!(requests[1].headers["authorization"].starts_with("AWS4-HMAC-SHA256 Credential=ASIA"));
    assert_eq!(requests[1].headers["x-amz-security-token"], keys.token.expect("a session"));
    assert_eq!((requests[2].query.as_deref(), requests[2].status), (Some("token=x"), Some(400)));
    assert_eq!(requests[2].code.as_deref(), Some("MalformedQueryString"));
}

#[test]
fn waiting_for_requests_ends_at_the_timeout() {
    let sts = start();
    assert!(sts.wait_for_requests(1, Duration::from_millis(20)).is_empty());
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| sts.wait_for_requests(1, Duration::from_secs(10)).len());
        post(&sts.url(), "GetCallerIdentity", &[]);
        assert_eq!(waiting.join().expect("no panic"), 1);
    });
}

#[test]
fn every_secret_is_known() {
    let sts = start();
    let token = sts.mint(&Claims::default());
    let keys = with_token(&sts, &token, &[]).granted();
    let secrets = sts.issued_secrets();
    for secret in [token, keys.secret, keys.token.expect("a session"), Keys::of_base_user().secret] {
        assert!(secrets.contains(&secret));
    }
}

#[test]
fn the_admin_routes() {
    let sts = start();
    let url = sts.url();
    let ask = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        request(&url, method, &format!("/_local/{path}"), &[], &body)
    };
    let identity = || signed(&url, &Keys::of_base_user(), "GetCallerIdentity", &[]);
    assert_eq!(ask("POST", "faults", json!([{"kind": "throttle", "times": "forever"}])).status, 204);
    identity().refused("Throttling", 400, "");
    assert_eq!(ask("DELETE", "faults", Value::Null).status, 204);
    assert_eq!(identity().status, 200);

    let token = ask("POST", "token", json!({"service_account": "other", "lifetime": 600})).body;
    with_token(&sts, &token, &[]).refused("AccessDenied", 403, "");
    let token = ask("POST", "token", json!({})).body;
    assert_eq!(ask("PUT", "lifetime", json!({"seconds": 300})).status, 204);
    let keys = with_token(&sts, &token, &[]).granted();
    assert_eq!(ask("PUT", "clock", json!({"shift_seconds": 600})).status, 204);
    signed(&url, &keys, "GetCallerIdentity", &[]).refused("ExpiredToken", 403, "");

    let recorded: Value = serde_json::from_str(&ask("GET", "requests", Value::Null).body).expect("JSON");
    let recorded = recorded.as_array().expect("a list");
    assert_eq!(recorded.len(), 5, "the admin routes are not recorded");
    assert_eq!((&recorded[0]["fault"], &recorded[0]["status"]), (&json!("throttle"), &json!(400)));

    assert_eq!(ask("PUT", "world", json!({"accounts": {}})).status, 204);
    identity().refused("InvalidClientTokenId", 403, "");
    for (method, path, body) in [
        ("POST", "faults", json!({"kind": "throttle"})),
        ("POST", "token", json!({"nmespace": "shop"})),
        ("PUT", "clock", json!({})),
        ("PUT", "lifetime", json!({"second": 1})),
        ("PUT", "world", json!({"accounts": {"1": {}}})),
    ] {
        assert_eq!(ask(method, path, body).status, 400, "{method} {path}");
    }
    assert_eq!(ask("GET", "faults", Value::Null).status, 404);
}

#[test]
fn worlds_that_are_refused() {
    let role = |changes: Value| {
        let mut role =
            json!({"trust": {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}}});
        for (key, value) in changes.as_object().expect("an object") {
            role[key] = value.clone();
        }
        World::from_json(&json!({"accounts": {"111111111111": {"roles": {"r": role}}}}).to_string())
    };
    role(json!({})).expect("sound");
    let unknown_operator = json!({"trust": {"Statement": {
        "Effect": "Allow", "Principal": "*", "Action": "*", "Condition": {"NumericEquals": {"k": "1"}},
    }}});
    let error = role(unknown_operator).expect_err("an operator").to_string();
    assert_eq!(error, "arn:aws:iam::111111111111:role/r: condition operator NumericEquals is not supported");
    assert!(matches!(role(json!({"path": "team"})), Err(WorldError::Role { .. })));
    assert!(matches!(role(json!({"max_session_duration": 60})), Err(WorldError::Role { .. })));
    assert!(matches!(role(json!({"trusts": {}})), Err(WorldError::Syntax(_))));
    assert!(matches!(World::from_json(r#"{"accounts": {"1": {}}}"#), Err(WorldError::AccountId(_))));
    let sts = start();
    assert!(matches!(sts.edit_role("arn:aws:iam::1:role/r", |_| ()), Err(WorldError::NoSuchRole(_))));
}

#[test]
fn a_world_says_how_the_server_starts() {
    let world = World {
        issuer: Some("https://oidc.example/cluster".to_owned()),
        signing_region: Some("eu-central-1".to_owned()),
        faults: vec![Fault::throttle()],
        ..World::two_accounts()
    };
    let sts = LocalSts::start(world).expect("a server");
    post(&sts.url(), "GetCallerIdentity", &[]).refused("Throttling", 400, "");
    assert_eq!(sts.issuer(), "https://oidc.example/cluster");
    let reply = with_token(&sts, &sts.mint(&Claims::default()), &[]);
    assert_eq!(reply.expect("Provider"), "arn:aws:iam::111111111111:oidc-provider/oidc.example/cluster");
    // The signer of these tests is in us-east-1.
    signed(&sts.url(), &reply.granted(), "GetCallerIdentity", &[]).refused(
        "SignatureDoesNotMatch",
        403,
        "valid region",
    );
}

#[test]
fn a_changed_body_breaks_the_signature() {
    let sts = start();
    let signed_body = form("GetCallerIdentity", &[]);
    let headers = sign(&sts.url(), &Keys::of_base_user(), &signed_body);
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("content-type", FORM));
    assert_eq!(request(&sts.url(), "POST", "/", &headers, &signed_body).status, 200);
    let other_body = form("GetCallerIdentity", &[("Extra", "1")]);
    request(&sts.url(), "POST", "/", &headers, &other_body).refused("SignatureDoesNotMatch", 403, "");
}
