//! Refusals of STS, each with its cause and its mend.

use std::time::Duration;

use local_sts::{Claims, Fault, FaultKind, PolicyDocument, World};
use serde_json::{Value, json};

use super::{claims, end, fails, report};
use crate::support::{ROLE_A, ROLE_B, Stage};

fn policy(document: Value) -> PolicyDocument {
    document.to_string().parse().expect("a policy")
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
    assert!(
        ended.stdout.contains("  warn  hop 2") && ended.stdout.contains("% of the packed size limit"),
        "{}",
        ended.stdout
    );

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
