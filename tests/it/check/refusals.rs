//! The explanation of STS errors: the cause and the fix that `check` prints for each.

use std::time::Duration;

use local_sts::{Claims, Fault, FaultKind, PolicyDocument, World};
use serde_json::{Value, json};

use super::{claims, fails, parse_report, run_check};
use crate::support::{ROLE_A, ROLE_B, Stage};

fn policy(document: Value) -> PolicyDocument {
    document.to_string().parse().expect("parse policy")
}

#[test]
fn identity_provider_errors_name_the_cause_and_the_fix() {
    let stage = Stage::new();
    let issuer = stage.sts.issuer();
    let host = issuer.strip_prefix("http://").expect("an http URL");
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
    fails(&stage, check(), 4, "hop 1", &["has no audience", "audience: sts.amazonaws.com", "Missing a required claim"]);

    let token = stage.renew_token(&claims());
    let (signed, signature) = token.rsplit_once('.').expect("a signed JWT");
    let forged = stage.write("forged", &format!("{signed}.{}", signature.chars().rev().collect::<String>()));
    let run = check().env("AWS_WEB_IDENTITY_TOKEN_FILE", forged);
    fails(&stage, run, 4, "hop 1", &["could not validate the token", &issuer, "system:serviceaccount:shop:checkout"]);

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
    fails(&stage, check(), 5, "hop 1", &["could not reach", &issuer]);

    stage
        .sts
        .edit_world(|world| world.accounts.get_mut("111111111111").expect("account A").oidc_providers.clear())
        .expect("edit the world");
    let create = format!(
        "in account 111111111111: aws iam create-open-id-connect-provider --url {issuer} --client-id-list sts.amazonaws.com"
    );
    fails(&stage, check(), 4, "hop 1", &["no IAM identity provider", &create]);
}

#[test]
fn token_that_is_too_old_for_sts_exits_3() {
    let stage = Stage::new();
    // The token is valid by the local clock, which is two hours behind.
    stage.sts.set_clock_shift(7200);
    let words = ["expired by STS's clock", "2 h behind STS's", "subPath"];
    fails(&stage, stage.credvend(&["check"]), 3, "hop 1", &words);
    stage.sts.set_clock_shift(0);
    stage.renew_token(&Claims { issued_at_offset: -90_000, lifetime: Duration::from_secs(172_800), ..claims() });
    fails(&stage, stage.credvend(&["check"]), 3, "hop 1", &["more than 24 hours ago", "Token too old"]);
}

#[test]
fn untrusted_subject_prints_the_missing_trust_statement() {
    let stage = Stage::new();
    let host = stage.sts.issuer().replace("http://", "");
    stage.renew_token(&Claims::service_account("shop", "other"));
    let words = [
        "subject system:serviceaccount:shop:other",
        &format!(r#""{host}:sub":"system:serviceaccount:shop:other""#),
        &format!(r#"{{"Federated":"arn:aws:iam::111111111111:oidc-provider/{host}"}}"#),
        "aws iam get-role --role-name account-a-role",
        "or the role does not exist",
    ];
    let ended = fails(&stage, stage.credvend(&["check"]), 4, "hop 1", &words);
    assert!(ended.last_line().contains(r#""Action":"sts:AssumeRoleWithWebIdentity""#), "{ended:?}");
}

#[test]
fn denied_assume_role_prints_the_missing_policy_statements() {
    let stage = Stage::new();
    let check = |more: &[&str]| stage.credvend(&[&["check", "--chain-role-arn", ROLE_B], more].concat());
    let permission = format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{ROLE_B}"}}"#);
    let trust = format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{ROLE_A}"}},"Action":"sts:AssumeRole"}}"#);

    let mut removed = Vec::new();
    stage.sts.edit_role(ROLE_A, |role| removed = std::mem::take(&mut role.policies)).expect("edit the world");
    let both = [permission.as_str(), &trust, "account 111111111111", "account 222222222222", "no external ID is sent"];
    fails(&stage, check(&[]), 4, "hop 2", &both);
    stage.sts.edit_role(ROLE_A, |role| role.policies = removed).expect("edit the world");

    // Newer messages of AWS say which kind of policy is missing.
    for (reason, expected, excluded) in [
        ("because no identity-based policy allows the sts:AssumeRole action", &permission, &trust),
        ("because no resource-based policy allows the sts:AssumeRole action", &trust, &permission),
    ] {
        let message = format!(
            "User: arn:aws:sts::1:assumed-role/a/s is not authorized to perform: sts:AssumeRole on resource: {ROLE_B} {reason}"
        );
        stage.fault(Fault::error("AccessDenied", 403, &message).for_action("AssumeRole"));
        let ended = fails(&stage, check(&[]), 4, "hop 2", &[expected]);
        assert!(!ended.stdout.contains(excluded.as_str()), "{}", ended.stdout);
    }
    let message = "not authorized to perform: sts:AssumeRole with an explicit deny in a service control policy";
    stage.fault(Fault::error("AccessDenied", 403, message).for_action("AssumeRole"));
    fails(&stage, check(&[]), 4, "hop 2", &["organization", ROLE_A]);

    let trust_with = |action: Value, condition: Value| {
        policy(json!({"Version": "2012-10-17", "Statement": {
            "Effect": "Allow", "Principal": {"AWS": ROLE_A}, "Action": action, "Condition": condition,
        }}))
    };
    let trust = trust_with(json!("sts:AssumeRole"), json!({"StringEquals": {"sts:ExternalId": "right"}}));
    stage.sts.edit_role(ROLE_B, |role| role.trust = trust).expect("edit the world");
    let words = ["with the external ID wrong", r#""sts:ExternalId":"wrong""#];
    fails(&stage, check(&["--external-id", "wrong"]), 4, "hop 2", &words);
    run_check(&stage, check(&["--external-id", "right"])).succeeded();
}

#[test]
fn denied_tags_and_source_identity_name_the_missing_actions() {
    let stage = Stage::new();
    let check = |more: &[&str]| stage.credvend(&[&["check", "--chain-role-arn", ROLE_B], more].concat());
    let words = [
        "passes session tags (team, pod)",
        r#"["sts:AssumeRole","sts:TagSession"]"#,
        ROLE_A,
        "remove the session tags",
    ];
    fails(&stage, check(&["--session-tag", "team=a", "--session-tag", "pod"]), 4, "hop 2", &words);
    let words = ["source identity", r#"["sts:AssumeRole","sts:SetSourceIdentity"]"#, ROLE_A];
    fails(&stage, check(&["--source-identity", "ops"]), 4, "hop 2", &words);

    // The last line of the other commands also names both policies.
    for (flag, action) in
        [("--session-tag=team=a", "sts:TagSession"), ("--source-identity=ops", "sts:SetSourceIdentity")]
    {
        let ended = stage.credvend(&["export", "--chain-role-arn", ROLE_B, flag]).end();
        let help =
            format!("allow {action} in this role's trust policy and in a policy of the previous hop, or remove the ");
        ended.failed(4, &["hop 2", &help]);
    }
}

#[test]
fn rejected_parameters_name_the_flag_and_the_fix() {
    let stage = Stage::new();
    let check = |more: &[&str]| stage.credvend(&[&["check"], more].concat());
    let words = ["session policy is not a valid IAM policy", "--policy", "Syntax errors"];
    fails(&stage, check(&["--policy", r#"{"Version":"2012-10-17"}"#]), 4, "hop 1", &words);

    let tags: Vec<String> = (0..17).map(|number| format!("--session-tag=k{number}={}", "v".repeat(256))).collect();
    let mut arguments = vec!["--chain-role-arn", ROLE_B];
    arguments.extend(tags.iter().map(String::as_str));
    fails(&stage, check(&arguments), 4, "hop 2", &["exceed the size limit", "--session-tag", "PackedPolicyTooLarge"]);
    // A warning is printed when the tags nearly exceed the limit.
    stage
        .sts
        .edit_role(ROLE_B, |role| {
            role.trust = policy(json!({"Statement": {
        "Effect": "Allow", "Principal": {"AWS": ROLE_A}, "Action": ["sts:AssumeRole", "sts:TagSession"]}}))
        })
        .expect("edit the world");
    let ended = run_check(&stage, check(&arguments[..15])).succeeded();
    assert!(
        ended.stdout.contains("  warn  hop 2") && ended.stdout.contains("% of the packed size limit"),
        "{}",
        ended.stdout
    );

    let words = [
        "requested duration of 7200 s",
        "--duration",
        "aws iam update-role --role-name account-a-role --max-session-duration 7200",
    ];
    fails(&stage, check(&["--duration", "2h"]), 4, "hop 1", &words);
    let chained = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
    for (message, words) in [
        (chained, ["limit for role chaining, which is 1 h (3600 s)", "--duration"]),
        ("Request ARN is invalid", ["as a role ARN of its partition", "aws iam get-role"]),
        (
            "1 validation error detected: Value 'a:b' at 'roleSessionName' failed",
            ["one of the request parameters", "--role-session-name"],
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
        ["STS is not activated in the region eu-central-1 for account 111111111111", "set AWS_REGION", "enable-region"];
    fails(&stage, check(&[]), 4, "hop 1", &words);
    stage.fault(Fault::throttle().times(3));
    fails(&stage, check(&[]), 5, "hop 1", &["exceeds its request quota for STS", "111111111111"]);
    stage.fault(Fault::server_error(503).times(3));
    fails(&stage, check(&[]), 5, "hop 1", &["had an internal error", "Health Dashboard", "ServiceUnavailable"]);
    stage.fault(Fault::error("SomethingNew", 400, "nobody knows"));
    fails(&stage, check(&[]), 4, "hop 1", &["SomethingNew", ROLE_A, "API reference"]);
}

#[test]
fn static_key_and_clock_errors_name_the_fix() {
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
    let json_check = stage.with_config(&["check", "--format", "json"], &config(key, secret));
    let document = parse_report(&run_check(&stage, json_check).succeeded());
    assert_eq!(document["profiles"][0]["hops"][0], json!({"kind": "static"}));

    let words = ["secret access key that signed", "static", "aws_secret_access_key", "eu-central-1"];
    fails(&stage, check(key, "wrong/secret+wrong/secret+wrong/secret+wr"), 4, "hop 2", &words);
    fails(
        &stage,
        check("AKIANOBODYKNOWSTHIS0", secret),
        4,
        "hop 2",
        &["does not know the access key", "static", "list-access-keys"],
    );

    // The first signature is two hours off. The second uses the corrected time.
    stage.sts.set_clock_shift(7200);
    let ended = run_check(&stage, check(key, secret)).succeeded();
    assert!(ended.stdout.contains("  warn  clock") && ended.stdout.contains("2 h behind"), "{}", ended.stdout);
    let message =
        "Signature expired: 20260101T000000Z is now earlier than 20260101T020000Z (20260101T021500Z - 15 min.)";
    stage.fault(Fault::error("SignatureDoesNotMatch", 403, message).forever());
    fails(&stage, check(key, secret), 5, "hop 2", &["clock is 2 h behind STS's", "timedatectl"]);
}

#[test]
fn rejected_credentials_of_the_previous_hop_name_the_fix() {
    let stage = Stage::new();
    let check = || stage.credvend(&["check", "--chain-role-arn", ROLE_B]);
    let unknown = "The security token included in the request is invalid.";
    stage.fault(Fault::error("InvalidClientTokenId", 403, unknown).for_action("AssumeRole").times(2));
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
