use std::time::Duration;

use local_sts::{Claims, Fault, FaultKind, LocalSts, PolicyDocument, TlsVersions, World};
use serde_json::{Value, json};

use crate::{
    profiles::CROSS_ACCOUNT,
    support::{Credvend, Ended, ROLE_A, ROLE_B, Stage},
};

fn claims() -> Claims {
    Claims::service_account("shop", "checkout")
}

fn policy(document: Value) -> PolicyDocument {
    document.to_string().parse().expect("a policy")
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
    assert!(checks.last().expect("one")["mend"].as_str().expect("a mend").contains(r#""Action":"sts:AssumeRole""#));
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
    fails(&stage, with(&opaque), 3, "token file", &["three parts", "-> name the file"]);
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
    fails(&stage, stage.credvend(&["check"]), 5, "identity", &["is no GetCallerIdentityResponse"]);
}

#[test]
fn the_issuer_its_audience_and_its_keys() {
    let stage = Stage::new();
    let issuer = stage.sts.issuer();
    let host = issuer.strip_prefix("http://").expect("a URL");
    let check = || stage.credvend(&["check"]);

    stage.renew_token(&Claims { audience: vec!["https://kubernetes.default.svc".into()], ..claims() });
    let add = format!(
        "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn \
         arn:aws:iam::111111111111:oidc-provider/{host} --client-id https://kubernetes.default.svc"
    );
    let words = [
        "audience is https://kubernetes.default.svc",
        "usually list sts.amazonaws.com",
        "audience: sts.amazonaws.com",
        &add,
    ];
    fails(&stage, check(), 4, "hop 1", &words);

    stage.renew_token(&Claims { audience: vec![], ..claims() });
    fails(
        &stage,
        check(),
        4,
        "hop 1",
        &["names no audience", "audience: sts.amazonaws.com", "Missing a required claim"],
    );

    let token = stage.renew_token(&claims());
    let (signed, signature) = token.rsplit_once('.').expect("a JWT");
    let forged = stage.write("forged", &format!("{signed}.{}", signature.chars().rev().collect::<String>()));
    let run = check().env("AWS_WEB_IDENTITY_TOKEN_FILE", forged);
    fails(&stage, run, 4, "hop 1", &["no valid token", &issuer, "system:serviceaccount:shop:checkout"]);

    stage.fault(Fault::new(FaultKind::InvalidIdentityTokenVerificationKey).times(3));
    let words = ["could not fetch the keys", &issuer, "/.well-known/openid-configuration", "jwks_uri"];
    fails(&stage, check(), 4, "hop 1", &words);

    stage.fault(Fault::error(
        "InvalidIdentityToken",
        400,
        "OpenIDConnect provider's HTTPS certificate doesn't match configured thumbprint",
    ));
    let words = [
        "certificate",
        &issuer,
        "aws iam update-open-id-connect-provider-thumbprint",
        &format!("oidc-provider/{host}"),
    ];
    fails(&stage, check(), 4, "hop 1", &words);

    stage.fault(Fault::error("IDPRejectedClaim", 403, "revoked"));
    fails(&stage, check(), 4, "hop 1", &["rejected the token's claims", &issuer, "service account"]);
    stage.fault(Fault::new(FaultKind::IdpCommunicationError).times(3));
    fails(&stage, check(), 5, "hop 1", &["could not talk to", &issuer]);

    stage
        .sts
        .edit_world(|world| world.accounts.get_mut("111111111111").expect("A").oidc_providers.clear())
        .expect("edited");
    let create = format!(
        "in account 111111111111: aws iam create-open-id-connect-provider --url {issuer} --client-id-list sts.amazonaws.com"
    );
    fails(&stage, check(), 4, "hop 1", &["no IAM identity provider", &create]);
}

#[test]
fn a_token_that_sts_takes_for_too_old() {
    let stage = Stage::new();
    // Alive by this node's clock, which is two hours behind.
    stage.sts.set_clock_shift(7200);
    let words = ["expired by STS's clock", "2 h behind STS's", "subPath"];
    fails(&stage, stage.credvend(&["check"]), 3, "hop 1", &words);
    stage.sts.set_clock_shift(0);
    stage.renew_token(&Claims { issued_at_offset: -90_000, lifetime: Duration::from_secs(172_800), ..claims() });
    fails(&stage, stage.credvend(&["check"]), 3, "hop 1", &["more than 24 hours ago", "Token too old"]);
}

#[test]
fn a_subject_that_is_not_trusted() {
    let stage = Stage::new();
    let host = stage.sts.issuer().replace("http://", "");
    stage.renew_token(&Claims::service_account("shop", "other"));
    let words = [
        "subject system:serviceaccount:shop:other",
        &format!(r#""{host}:sub":"system:serviceaccount:shop:other""#),
        &format!(r#"{{"Federated":"arn:aws:iam::111111111111:oidc-provider/{host}"}}"#),
        "aws iam get-role --role-name account-a-role",
        "or there is no such role",
    ];
    let ended = fails(&stage, stage.credvend(&["check"]), 4, "hop 1", &words);
    assert!(ended.last_line().contains(r#""Action":"sts:AssumeRoleWithWebIdentity""#), "{ended:?}");
}

#[test]
fn a_caller_that_is_not_trusted() {
    let stage = Stage::new();
    let check = |more: &[&str]| stage.credvend(&[&["check", "--chain-role-arn", ROLE_B], more].concat());
    let permission = format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{ROLE_B}"}}"#);
    let trust = format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{ROLE_A}"}},"Action":"sts:AssumeRole"}}"#);

    let mut kept = Vec::new();
    stage.sts.edit_role(ROLE_A, |role| kept = std::mem::take(&mut role.policies)).expect("edited");
    let both = [permission.as_str(), &trust, "account 111111111111", "account 222222222222", "no external ID is sent"];
    fails(&stage, check(&[]), 4, "hop 2", &both);
    stage.sts.edit_role(ROLE_A, |role| role.policies = kept).expect("edited");

    // What AWS tells in newer messages narrows it down.
    for (words, said, unsaid) in [
        ("because no identity-based policy allows the sts:AssumeRole action", &permission, &trust),
        ("because no resource-based policy allows the sts:AssumeRole action", &trust, &permission),
    ] {
        let message = format!(
            "User: arn:aws:sts::1:assumed-role/a/s is not authorized to perform: sts:AssumeRole on resource: {ROLE_B} {words}"
        );
        stage.fault(Fault::error("AccessDenied", 403, &message).for_action("AssumeRole"));
        let ended = fails(&stage, check(&[]), 4, "hop 2", &[said]);
        assert!(!ended.stdout.contains(unsaid.as_str()), "{}", ended.stdout);
    }
    let message = "not authorized to perform: sts:AssumeRole with an explicit deny in a service control policy";
    stage.fault(Fault::error("AccessDenied", 403, message).for_action("AssumeRole"));
    fails(&stage, check(&[]), 4, "hop 2", &["organization", ROLE_A]);

    let trust_with = |action: Value, condition: Value| {
        policy(json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"AWS": ROLE_A}, "Action": action, "Condition": condition,
        }}))
    };
    let demanding = trust_with(json!("sts:AssumeRole"), json!({"StringEquals": {"sts:ExternalId": "right"}}));
    stage.sts.edit_role(ROLE_B, |role| role.trust = demanding).expect("edited");
    let words = ["with the external ID wrong that is sent", r#""sts:ExternalId":"wrong""#];
    fails(&stage, check(&["--external-id", "wrong"]), 4, "hop 2", &words);
    end(&stage, check(&["--external-id", "right"])).succeeded();
}

#[test]
fn tags_and_source_identity_that_are_not_allowed() {
    let stage = Stage::new();
    let check = |more: &[&str]| stage.credvend(&[&["check", "--chain-role-arn", ROLE_B], more].concat());
    let words =
        ["session tags are passed (team, pod)", r#"["sts:AssumeRole","sts:TagSession"]"#, ROLE_A, "pass no tags"];
    fails(&stage, check(&["--session-tag", "team=a", "--session-tag", "pod"]), 4, "hop 2", &words);
    let words = ["source identity", r#"["sts:AssumeRole","sts:SetSourceIdentity"]"#, ROLE_A];
    fails(&stage, check(&["--source-identity", "ops"]), 4, "hop 2", &words);
}

#[test]
fn policies_durations_and_other_parameters() {
    let stage = Stage::new();
    let check = |more: &[&str]| stage.credvend(&[&["check"], more].concat());
    let words = ["session policy that is passed", "--policy", "Syntax errors"];
    fails(&stage, check(&["--policy", r#"{"Version":"2012-10-17"}"#]), 4, "hop 1", &words);

    let tags: Vec<String> = (0..17).map(|number| format!("--session-tag=k{number}={}", "v".repeat(256))).collect();
    let mut arguments = vec!["--chain-role-arn", ROLE_B];
    arguments.extend(tags.iter().map(String::as_str));
    fails(&stage, check(&arguments), 4, "hop 2", &["more space", "--session-tag", "PackedPolicyTooLarge"]);
    // Nearly too much is worth a word before it is too much.
    stage
        .sts
        .edit_role(ROLE_B, |role| {
            role.trust = policy(json!({"Statement": {
        "Effect": "Allow", "Principal": {"AWS": ROLE_A}, "Action": ["sts:AssumeRole", "sts:TagSession"]}}))
        })
        .expect("edited");
    let ended = end(&stage, check(&arguments[..15])).succeeded();
    assert!(ended.stdout.contains("  warn  hop 2") && ended.stdout.contains("% of their space"), "{}", ended.stdout);

    let words = [
        "7200 s were asked for",
        "--duration",
        "aws iam update-role --role-name account-a-role --max-session-duration 7200",
    ];
    fails(&stage, check(&["--duration", "2h"]), 4, "hop 1", &words);
    let chained = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
    for (message, words) in [
        (chained, ["1 h (3600 s) at most", "--duration"]),
        ("Request ARN is invalid", ["no role's ARN of its partition", "aws iam get-role"]),
        (
            "1 validation error detected: Value 'a:b' at 'roleSessionName' failed",
            ["one of the call's parameters", "--role-session-name"],
        ),
    ] {
        stage.fault(Fault::error("ValidationError", 400, message));
        fails(&stage, check(&[]), 4, "hop 1", &[&words[..], &[ROLE_A, message]].concat());
    }
    stage.fault(Fault::error(
        "RegionDisabledException",
        403,
        "STS is not activated in this region for account:111111111111.",
    ));
    let words =
        ["account 111111111111 has not activated STS in the region eu-central-1", "set AWS_REGION", "enable-region"];
    fails(&stage, check(&[]), 4, "hop 1", &words);
    stage.fault(Fault::throttle().times(3));
    fails(&stage, check(&[]), 5, "hop 1", &["more calls to STS than its quota", "111111111111"]);
    stage.fault(Fault::server_error(503).times(3));
    fails(&stage, check(&[]), 5, "hop 1", &["itself failed", "Health Dashboard", "ServiceUnavailable"]);
    stage.fault(Fault::error("SomethingNew", 400, "nobody knows"));
    fails(&stage, check(&[]), 4, "hop 1", &["SomethingNew", ROLE_A, "API reference"]);
}

#[test]
fn keys_at_the_base() {
    let stage = Stage::new();
    let world = World::two_accounts();
    let user = world.accounts["111111111111"].users["base-user"].clone();
    let config = |key: &str, secret: &str| {
        format!(
            "[default]\nrole_arn = {ROLE_A}\nsource_profile = keys\n[profile keys]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
        )
    };
    let check = |key: &str, secret: &str| stage.with_config(&["check"], &config(key, secret));
    let (key, secret) = (user.access_key_id.as_str(), user.secret_access_key.as_str());
    let json = stage.with_config(&["check", "--format", "json"], &config(key, secret));
    let document = report(&end(&stage, json).succeeded());
    assert_eq!(document["profiles"][0]["hops"][0], json!({"kind": "static"}));

    let words = ["secret access key that signed", "static", "aws_secret_access_key", "eu-central-1"];
    fails(&stage, check(key, "wrong/secret+wrong/secret+wrong/secret+wr"), 4, "hop 2", &words);
    fails(
        &stage,
        check("AKIANOBODYKNOWSTHIS0", secret),
        4,
        "hop 2",
        &["no such access key", "static", "list-access-keys"],
    );

    // The first signature is two hours off, the second corrected.
    stage.sts.set_clock_shift(7200);
    let ended = end(&stage, check(key, secret)).succeeded();
    assert!(ended.stdout.contains("  warn  clock") && ended.stdout.contains("2 h behind"), "{}", ended.stdout);
    let message =
        "Signature expired: 20260101T000000Z is now earlier than 20260101T020000Z (20260101T021500Z - 15 min.)";
    stage.fault(Fault::error("SignatureDoesNotMatch", 403, message).forever());
    fails(&stage, check(key, secret), 5, "hop 2", &["clock is 2 h behind STS's", "timedatectl"]);
}

#[test]
fn credentials_of_a_hop_that_the_next_does_not_take() {
    let stage = Stage::new();
    let check = || stage.credvend(&["check", "--chain-role-arn", ROLE_B]);
    let unknown = "The security token included in the request is invalid.";
    stage.fault(Fault::error("InvalidClientTokenId", 403, unknown).for_action("AssumeRole"));
    let words = [
        "STS in eu-central-1 does not know the credentials of",
        ROLE_A,
        "AWS_STS_REGIONAL_ENDPOINTS=regional",
        "v2Token",
    ];
    fails(&stage, check(), 4, "hop 2", &words);
    let expired = "The security token included in the request is expired";
    stage.fault(Fault::error("ExpiredToken", 403, expired).for_action("AssumeRole").times(2));
    fails(&stage, check(), 4, "hop 2", &["had expired", ROLE_A]);

    let foreign = "arn:aws-cn:iam::222222222222:role/b";
    let run = stage.credvend(&["check", "--chain-role-arn", foreign]);
    fails(&stage, run, 2, "configuration", &[foreign, "partition aws-cn", ROLE_A]);
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
