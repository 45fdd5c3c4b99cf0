//! What `check` reports, and of what it is made; `refusals` has why STS refuses, and what mends it.

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

/// Runs it, and refuses a leak.
fn end(stage: &Stage, command: Credvend) -> Ended {
    let ended = command.end();
    stage.refuse_leaks(&ended.stdout);
    stage.refuse_leaks(&ended.stderr);
    ended
}

/// Asserts that one check failed with this code, that its lines hold these words, and that the last line sums it up.
#[track_caller]
fn fails(stage: &Stage, command: Credvend, code: i32, name: &str, words: &[&str]) -> Ended {
    let ended = end(stage, command);
    assert_eq!(ended.code, Some(code), "{ended:?}");
    let from = ended.stdout.find(&format!("  fail  {name}")).unwrap_or_else(|| panic!("{name} in {}", ended.stdout));
    for word in words {
        assert!(ended.stdout[from..].contains(word), "{word:?} is missing in {}", &ended.stdout[from..]);
    }
    assert!(ended.last_line().contains(name) && ended.last_line().contains("checks failed"), "{ended:?}");
    ended
}

#[track_caller]
fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("no JSON: {ended:?}"))
}

#[test]
fn a_sound_chain_is_ok_hop_by_hop() {
    let stage = Stage::new();
    let ended = end(&stage, stage.credvend(&["check", "--chain-role-arn", ROLE_B])).succeeded();
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
    let identity = stage.sts.requests().pop().expect("a call");
    assert!(identity.headers.contains_key("authorization"));
}

#[test]
fn the_json_report_has_its_exact_shape() {
    let stage = Stage::new();
    let config = format!(
        "{CROSS_ACCOUNT}[profile other]\nsource_profile = account_a_role\nrole_arn = {ROLE_B}\nexternal_id = word\n"
    );
    let run = stage.with_config(&["check", "--all-profiles", "--format", "json"], &config);
    let ended = end(&stage, run).succeeded();
    let document = report(&ended);
    let profiles = document["profiles"].as_array().expect("profiles");
    let names: Vec<_> = profiles.iter().map(|profile| &profile["name"]).collect();
    assert_eq!(names, ["account_b_role", "account_a_role", "other"]);
    let hops = |index: usize| profiles[index]["hops"].as_array().expect("hops").clone();
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
    for check in profiles.iter().flat_map(|profile| profile["checks"].as_array().expect("checks")) {
        let mut keys: Vec<_> = check.as_object().expect("an object").keys().collect();
        keys.sort();
        assert_eq!(keys, ["message", "name", "result"]);
        assert_eq!(check["result"], "ok");
    }
    // The beginning is exchanged once.
    let exchanges = stage.actions().iter().filter(|action| *action == "AssumeRoleWithWebIdentity").count();
    assert_eq!(exchanges, 1);
}

#[test]
fn offline_asks_nobody() {
    let stage = Stage::new();
    let run = stage.credvend(&["check", "--offline"]).env("AWS_ENDPOINT_URL_STS", "http://nowhere.invalid");
    let ended = end(&stage, run).succeeded();
    assert!(!ended.stdout.contains("  sts ") && ended.stdout.contains("token life"), "{}", ended.stdout);
    // A token for the API server is found without STS.
    stage.renew_token(&Claims { audience: vec!["https://kubernetes.default.svc".into()], ..claims() });
    let ended = end(&stage, stage.credvend(&["check", "--offline"])).succeeded();
    for words in ["  warn  token claims", "audience https://kubernetes.default.svc", "sts.amazonaws.com"] {
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
    assert_eq!(stage.actions(), [""; 0]);
}

#[test]
fn a_failure_skips_what_follows_and_no_other_profile() {
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

    let json = stage.with_config(&[&arguments[..], &["--format", "json"]].concat(), &config);
    let document = report(&end(&stage, json));
    let checks = document["profiles"][0]["checks"].as_array().expect("checks");
    assert_eq!(checks.last().expect("one")["result"], "fail");
    assert!(checks.last().expect("one")["help"].as_str().expect("a mend").contains(r#""Action":"sts:AssumeRole""#));
    assert!(checks.iter().all(|check| check["name"] != "hop 3"));
}

#[test]
fn the_token_s_file_its_life_and_its_claims() {
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
    fails(&stage, with(&path), 3, "token life", &words);
    assert!(!stage.actions().contains(&"AssumeRoleWithWebIdentity".to_owned()));

    // Overdue is no failure: STS still takes it.
    let overdue = stage.sts.mint(&Claims { issued_at_offset: -3300, ..claims() });
    let ended = end(&stage, with(&stage.write("overdue", &overdue))).succeeded();
    for words in ["  warn  token life", "should have renewed it 7 min ago (the file is no symbolic link", "subPath"] {
        assert!(ended.stdout.contains(words), "{words:?} is missing in {}", ended.stdout);
    }
}

#[test]
fn a_token_that_only_this_clock_takes_for_expired_is_exchanged() {
    let stage = Stage::new();
    // As if this node's clock were two hours ahead.
    stage.sts.set_clock_shift(-7200);
    stage.renew_token(&claims());
    let ended = end(&stage, stage.credvend(&["check"])).succeeded();
    for words in ["  ok    token life", "  warn  clock", "clock is 2 h ahead of STS's", "  ok    hop 1"] {
        assert!(ended.stdout.contains(words), "{words:?} is missing in {}", ended.stdout);
    }
}

#[test]
fn a_clock_behind_is_told_and_corrected_for() {
    let stage = Stage::new();
    stage.sts.set_clock_shift(200);
    let ended = end(&stage, stage.credvend(&["check", "--chain-role-arn", ROLE_B])).succeeded();
    assert!(ended.stdout.contains("  warn  clock"), "{}", ended.stdout);
    assert!(ended.stdout.contains("3 min behind STS's") && ended.stdout.contains("timedatectl"), "{}", ended.stdout);
}

#[test]
fn sts_is_reached_step_by_step() {
    let stage = Stage::new();
    let at = |url: &str| stage.credvend(&["check"]).env("AWS_ENDPOINT_URL_STS", url);
    let words = ["the name nowhere.invalid does not resolve", "AWS_REGION", "skip  hop 1"];
    fails(&stage, at("https://nowhere.invalid"), 5, "sts", &words);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address");
    let url = format!("http://{free}");
    fails(&stage, at(&url), 5, "sts", &["no connection to 127.0.0.1", "refused", "egress"]);
    let behind_proxy = at("http://sts.invalid").env("HTTP_PROXY", &url);
    fails(&stage, behind_proxy, 5, "sts", &[&format!("no connection to {free}"), "HTTPS_PROXY"]);
    // With NO_PROXY it is the endpoint that is reached.
    let direct = stage.credvend(&["check"]).env("HTTP_PROXY", &url).env("NO_PROXY", "127.0.0.1");
    end(&stage, direct).succeeded();

    let stage = Stage::of(LocalSts::start_tls(World::two_accounts(), TlsVersions::Both).expect("local STS starts"));
    fails(&stage, stage.credvend(&["check"]), 5, "sts", &["no TLS with 127.0.0.1", "certificate", "AWS_CA_BUNDLE"]);
    let bundle = stage.write("ca.pem", stage.sts.ca_pem().expect("TLS"));
    let ended = end(&stage, stage.credvend(&["check"]).env("AWS_CA_BUNDLE", bundle)).succeeded();
    assert!(ended.stdout.contains("connects, TLS 1.3"), "{}", ended.stdout);
}

#[test]
fn the_whole_ends_with_the_timeout() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    let run = stage.credvend(&["check", "--timeout", "1s"]);
    fails(&stage, run, 5, "hop 1", &["no answer before 1s were over", ROLE_A, "--timeout"]);
}

#[test]
fn what_passes_is_asked_again_and_no_failure() {
    let stage = Stage::new();
    stage.sts.inject(vec![Fault::throttle(), Fault::server_error(503).for_action("GetCallerIdentity")]);
    end(&stage, stage.credvend(&["check"])).succeeded();
    assert_eq!(stage.actions().len(), 4);
}

#[test]
fn credentials_of_somebody_else_are_no_success() {
    let stage = Stage::new();
    stage.fault(Fault::error("AccessDenied", 403, "no identity-based policy").for_action("GetCallerIdentity"));
    fails(&stage, stage.credvend(&["check"]), 4, "identity", &["AccessDenied", "sts:GetCallerIdentity"]);
    stage.fault(Fault::new(FaultKind::WrongRoot).for_action("GetCallerIdentity").times(3));
    fails(&stage, stage.credvend(&["check"]), 5, "identity", &["is not GetCallerIdentityResponse"]);
}

#[test]
fn what_a_token_claims_does_not_move_the_cursor() {
    let stage = Stage::new();
    stage.renew_token(&Claims {
        subject: Some("system:\u{1b}[2J:x".into()),
        issuer: Some("https://a';id".into()),
        ..claims()
    });
    let ended = end(&stage, stage.credvend(&["check"]));
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stderr.contains('\u{1b}'));
    assert!(ended.stdout.contains(r"--url 'https://a'\'';id'"), "{}", ended.stdout);
}

#[test]
fn a_configuration_that_means_nothing_is_reported_too() {
    let stage = Stage::new();
    let ended = stage.credvend(&["check", "--offline", "--format", "json"]).without("AWS_ROLE_ARN").end();
    assert_eq!(ended.code, Some(2));
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    let checks = &report["profiles"][0]["checks"];
    assert_eq!((&checks[0]["name"], &checks[0]["result"]), (&"configuration".into(), &"fail".into()));
    assert_eq!((&checks[1]["name"], &checks[1]["result"]), (&"token file".into(), &"ok".into()));

    // One profile's mistake is no reason to be silent about the others.
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
