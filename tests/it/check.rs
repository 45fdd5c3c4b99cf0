//! The report of `check`: its checks, its JSON form and its exit code. `refusals` covers the explanation of STS errors.

mod refusals;

use local_sts::{Claims, Fault, FaultKind, LocalSts, TlsVersions, World};
use serde_json::{Value, json};

use crate::{
    profiles::CROSS_ACCOUNT,
    support::{Credvend, Ended, ROLE_A, ROLE_B, Stage},
};

fn claims() -> Claims {
    Claims::service_account("shop", "checkout")
}

/// Runs `command` to its end and asserts that its output holds no secret.
fn run_check(stage: &Stage, command: Credvend) -> Ended {
    let ended = command.end();
    stage.refuse_leaks(&ended.stdout);
    stage.refuse_leaks(&ended.stderr);
    ended
}

/// Asserts the exit code, a failed check `name` in the report, each of `words` from that line on, and a last line on
/// stderr that names the check.
#[track_caller]
fn fails(stage: &Stage, command: Credvend, code: i32, name: &str, words: &[&str]) -> Ended {
    let ended = run_check(stage, command);
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let from =
        ended.stdout.find(&format!("  fail  {name}")).unwrap_or_else(|| panic!("no failed {name} in {}", ended.stdout));
    for word in words {
        assert!(ended.stdout[from..].contains(word), "{word:?} is missing in {}", &ended.stdout[from..]);
    }
    assert!(ended.last_line().contains(name) && ended.last_line().contains("checks failed"), "{ended:?}");
    ended
}

#[track_caller]
/// Parses the JSON report.
fn parse_report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("the report is not JSON: {ended:?}"))
}

#[test]
fn valid_chain_reports_ok_for_each_hop() {
    let stage = Stage::new();
    let ended = run_check(&stage, stage.credvend(&["check", "--chain-role-arn", ROLE_B])).succeeded();
    for line in [
        "profile default",
        "  ok    token file ",
        "mode 0644, owner ",
        "this process is uid ",
        "subject system:serviceaccount:shop:checkout, audience sts.amazonaws.com",
        "expires in 60 min",
        "the kubelet renews it in 48 min",
        "resolves to 127.0.0.1, connects, without TLS; calls are signed for eu-central-1",
        "  ok    clock ",
        "AssumeRoleWithWebIdentity as shop-checkout-",
        "  ok    hop 2 ",
        "request ID ",
        "GetCallerIdentity: arn:aws:sts::222222222222:assumed-role/account-b-role/shop-checkout-",
    ] {
        assert!(ended.stdout.contains(line), "{line:?} is missing in {}", ended.stdout);
    }
    assert_eq!(ended.stderr, "");
    assert_eq!(stage.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole", "GetCallerIdentity"]);
    let identity = stage.sts.requests().pop().expect("at least one call");
    assert!(identity.headers.contains_key("authorization"));
}

#[test]
fn json_report_has_the_documented_shape() {
    let stage = Stage::new();
    let config = format!(
        "{CROSS_ACCOUNT}[profile other]\nsource_profile = account_a_role\nrole_arn = {ROLE_B}\nexternal_id = word\n"
    );
    let run = stage.with_config(&["check", "--all-profiles", "--format", "json"], &config);
    let ended = run_check(&stage, run).succeeded();
    let document = parse_report(&ended);
    let profiles = document["profiles"].as_array().expect("an array of profiles");
    let names: Vec<_> = profiles.iter().map(|profile| &profile["name"]).collect();
    assert_eq!(names, ["account_b_role", "account_a_role", "other"]);
    let hops = |index: usize| profiles[index]["hops"].as_array().expect("an array of hops").clone();
    let endpoint = json!(stage.sts.url());
    let session_name = "shop-checkout-7d4b9c6f5d-x2v8q";
    let first = json!({
        "kind": "web_identity", "role_arn": ROLE_A, "web_identity_token_file": stage.tokens.token_file(),
        "role_session_name": session_name, "sts_endpoint": endpoint, "signing_region": "eu-central-1",
    });
    let second = json!({
        "kind": "assume_role", "role_arn": ROLE_B, "external_id": "word", "sts_endpoint": endpoint,
        "signing_region": "eu-central-1",
    });
    assert_eq!(hops(2), [first, second]);
    assert_eq!(hops(1), hops(2)[..1]);
    for check in profiles.iter().flat_map(|profile| profile["checks"].as_array().expect("an array of checks")) {
        let mut keys: Vec<_> = check.as_object().expect("a JSON object").keys().collect();
        keys.sort();
        assert_eq!(keys, ["message", "name", "result"]);
        assert_eq!(check["result"], "ok");
    }
    // The shared first hop is exchanged once.
    let exchanges = stage.actions().iter().filter(|action| *action == "AssumeRoleWithWebIdentity").count();
    assert_eq!(exchanges, 1);
}

#[test]
fn offline_check_makes_no_calls() {
    let stage = Stage::new();
    let run = stage.credvend(&["check", "--offline"]).env("AWS_ENDPOINT_URL_STS", "http://nowhere.invalid");
    let ended = run_check(&stage, run).succeeded();
    assert!(!ended.stdout.contains("  sts ") && ended.stdout.contains("token lifetime"), "{}", ended.stdout);
    // The wrong audience of a token for the API server is reported without STS.
    stage.renew_token(&Claims { audience: vec!["https://kubernetes.default.svc".into()], ..claims() });
    let ended = run_check(&stage, stage.credvend(&["check", "--offline"])).succeeded();
    for words in ["  warn  token claims", "audience https://kubernetes.default.svc", "sts.amazonaws.com"] {
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
    assert_eq!(stage.actions(), [""; 0]);
}

#[test]
fn failure_skips_the_later_checks_of_its_profile_only() {
    let stage = Stage::new();
    let absent = "arn:aws:iam::222222222222:role/absent";
    let config = format!(
        "{CROSS_ACCOUNT}[profile c]\nsource_profile = broken\nrole_arn = {ROLE_B}\n\
         [profile broken]\nsource_profile = account_a_role\nrole_arn = {absent}\n"
    );
    let arguments = ["check", "--profile", "c", "--profile", "account_b_role"];
    let ended =
        fails(&stage, stage.with_config(&arguments, &config), 4, "hop 2", &[absent, "skip  hop 3", "skip  identity"]);
    assert!(ended.stdout.contains("profile account_b_role") && ended.stdout.contains("assumed-role/account-b-role/"));
    assert!(ended.last_line().contains("profile c: hop 2") && ended.last_line().contains(absent), "{ended:?}");

    let run = stage.with_config(&[&arguments[..], &["--format", "json"]].concat(), &config);
    let document = parse_report(&run_check(&stage, run));
    let checks = document["profiles"][0]["checks"].as_array().expect("an array of checks");
    let last = checks.last().expect("at least one check");
    assert_eq!(last["result"], "fail");
    assert!(last["help"].as_str().expect("a help text").contains(r#""Action":"sts:AssumeRole""#));
    assert!(checks.iter().all(|check| check["name"] != "hop 3"));
}

#[test]
fn missing_malformed_expired_and_overdue_tokens_are_reported() {
    let stage = Stage::new();
    let with = |path: &std::path::Path| stage.credvend(&["check"]).env("AWS_WEB_IDENTITY_TOKEN_FILE", path);
    fails(
        &stage,
        with(&stage.path("absent")),
        3,
        "token file",
        &["absent: no such file", "this process is uid", "-> mount"],
    );
    let opaque = stage.write("opaque", "no-token");
    fails(&stage, with(&opaque), 3, "token file", &["three parts", "-> set the path to the token file"]);
    assert_eq!(stage.actions(), [""; 0]);

    let expired = stage.sts.mint(&Claims { issued_at_offset: -7200, ..claims() });
    let path = stage.write("expired", &expired);
    let words = ["issued 2 h ago, expired 60 min ago", "subPath", "skip  hop 1"];
    fails(&stage, with(&path), 3, "token lifetime", &words);
    assert!(!stage.actions().contains(&"AssumeRoleWithWebIdentity".to_owned()));

    // A token that the kubelet should have renewed is only a warning, because STS still accepts it.
    let overdue = stage.sts.mint(&Claims { issued_at_offset: -3300, ..claims() });
    let ended = run_check(&stage, with(&stage.write("overdue", &overdue))).succeeded();
    for words in
        ["  warn  token lifetime", "should have renewed it 7 min ago (the file is not a symbolic link", "subPath"]
    {
        assert!(ended.stdout.contains(words), "{words:?} is missing in {}", ended.stdout);
    }
}

#[test]
fn token_expired_only_by_the_local_clock_is_exchanged() {
    let stage = Stage::new();
    // Has the same effect as a local clock that is two hours ahead.
    stage.sts.set_clock_shift(-7200);
    stage.renew_token(&claims());
    let ended = run_check(&stage, stage.credvend(&["check"])).succeeded();
    for words in ["  ok    token lifetime", "  warn  clock", "clock is 2 h ahead of STS's", "  ok    hop 1"] {
        assert!(ended.stdout.contains(words), "{words:?} is missing in {}", ended.stdout);
    }
}

#[test]
fn slow_local_clock_is_reported_and_corrected() {
    let stage = Stage::new();
    stage.sts.set_clock_shift(200);
    let ended = run_check(&stage, stage.credvend(&["check", "--chain-role-arn", ROLE_B])).succeeded();
    assert!(ended.stdout.contains("  warn  clock"), "{}", ended.stdout);
    assert!(ended.stdout.contains("3 min behind STS's") && ended.stdout.contains("timedatectl"), "{}", ended.stdout);
}

#[test]
fn sts_check_reports_name_connection_proxy_and_tls_failures() {
    let stage = Stage::new();
    let at = |url: &str| stage.credvend(&["check"]).env("AWS_ENDPOINT_URL_STS", url);
    let words = ["the name nowhere.invalid does not resolve", "AWS_REGION", "skip  hop 1"];
    fails(&stage, at("https://nowhere.invalid"), 5, "sts", &words);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("local address");
    let url = format!("http://{free}");
    fails(&stage, at(&url), 5, "sts", &["no connection to 127.0.0.1", "refused", "egress"]);
    let behind_proxy = at("http://sts.invalid").env("HTTP_PROXY", &url);
    fails(&stage, behind_proxy, 5, "sts", &[&format!("no connection to {free}"), "HTTPS_PROXY"]);
    // NO_PROXY lists the endpoint, so the check connects to it directly.
    let direct = stage.credvend(&["check"]).env("HTTP_PROXY", &url).env("NO_PROXY", "127.0.0.1");
    run_check(&stage, direct).succeeded();

    let stage =
        Stage::with_sts(LocalSts::start_tls(World::two_accounts(), TlsVersions::Both).expect("start local STS"));
    fails(&stage, stage.credvend(&["check"]), 5, "sts", &["no TLS with 127.0.0.1", "certificate", "AWS_CA_BUNDLE"]);
    let bundle = stage.write("ca.pem", stage.sts.ca_pem().expect("local STS has a CA"));
    let ended = run_check(&stage, stage.credvend(&["check"]).env("AWS_CA_BUNDLE", bundle)).succeeded();
    assert!(ended.stdout.contains("connects, TLS 1.3"), "{}", ended.stdout);
}

#[test]
fn timeout_bounds_the_whole_check() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(&["check", "--timeout", "1s"]);
    fails(&stage, run, 5, "hop 1", &["no response within 1s", ROLE_A, &stage.sts.url(), "--timeout"]);
}

#[test]
fn transient_errors_are_retried_and_do_not_fail_the_check() {
    let stage = Stage::new();
    stage.sts.inject(vec![Fault::throttle(), Fault::server_error(503).for_action("GetCallerIdentity")]);
    run_check(&stage, stage.credvend(&["check"])).succeeded();
    assert_eq!(stage.actions().len(), 4);
}

#[test]
fn failed_get_caller_identity_fails_the_check() {
    let stage = Stage::new();
    stage.fault(Fault::error("AccessDenied", 403, "no identity-based policy").for_action("GetCallerIdentity"));
    fails(&stage, stage.credvend(&["check"]), 4, "identity", &["AccessDenied", "sts:GetCallerIdentity"]);
    stage.fault(Fault::new(FaultKind::WrongRoot).for_action("GetCallerIdentity").times(3));
    fails(&stage, stage.credvend(&["check"]), 5, "identity", &["root element is not GetCallerIdentityResponse"]);
}

#[test]
fn token_claims_are_cleaned_and_shell_quoted() {
    let stage = Stage::new();
    stage.renew_token(&Claims {
        subject: Some("system:\u{1b}[2J:x".into()),
        issuer: Some("https://a.example/';id".into()),
        ..claims()
    });
    let ended = run_check(&stage, stage.credvend(&["check"]));
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'));
    assert!(ended.stdout.contains(r"--url 'https://a.example/'\'';id'"), "{}", ended.stdout);
}

#[test]
fn invalid_configuration_is_reported_per_profile() {
    let stage = Stage::new();
    let ended = stage.credvend(&["check", "--offline", "--format", "json"]).without("AWS_ROLE_ARN").end();
    assert_eq!(ended.code, Some(2));
    let report = parse_report(&ended);
    let checks = &report["profiles"][0]["checks"];
    assert_eq!((&checks[0]["name"], &checks[0]["result"]), (&"configuration".into(), &"fail".into()));
    assert_eq!((&checks[1]["name"], &checks[1]["result"]), (&"token file".into(), &"ok".into()));

    // An error in one profile does not suppress the report of the others.
    let config = format!(
        "[profile loop]\nrole_arn={ROLE_B}\nsource_profile=loop\n[profile good]\nrole_arn={ROLE_A}\nweb_identity_token_file={}\n",
        stage.tokens.token_file().display()
    );
    let arguments = ["check", "--offline", "--profile", "loop", "--profile", "good"];
    let ended = stage.with_config(&arguments, &config).end();
    assert_eq!(ended.code, Some(2));
    assert!(ended.stdout.contains("profile loop\n  fail  configuration"), "{}", ended.stdout);
    assert!(ended.stdout.contains("profile good\n  ok    configuration"), "{}", ended.stdout);
}

#[test]
fn profiles_beside_one_with_errors_are_read_and_exchanged_together() {
    let stage = Stage::new();
    let config = format!("{CROSS_ACCOUNT}[profile loop]\nrole_arn = {ROLE_A}\nsource_profile = loop\n");
    let arguments = ["check", "--profile", "loop", "--profile", "account_a_role", "--profile", "account_b_role"];
    let ended = run_check(&stage, stage.with_config(&arguments, &config));
    assert_eq!(ended.code, Some(2));
    let exchanges = stage.actions().into_iter().filter(|action| action.starts_with("AssumeRole"));
    assert_eq!(exchanges.collect::<Vec<_>>(), ["AssumeRoleWithWebIdentity", "AssumeRole"]);
}
