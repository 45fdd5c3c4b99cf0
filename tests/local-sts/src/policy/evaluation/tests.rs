use serde_json::{Value, json};

use super::*;
use crate::policy::PolicyKind;

const ACCOUNT: &str = "111111111111";
const ROLE: &str = "arn:aws:iam::111111111111:role/r";
const SESSION: &str = "arn:aws:sts::111111111111:assumed-role/r/s";
const PROVIDER: &str = "arn:aws:iam::111111111111:oidc-provider/issuer";

fn policy(statements: Value) -> PolicyDocument {
    serde_json::from_value(json!({"Version": "2012-10-17", "Statement": statements})).expect("a policy")
}

fn trust_of_principal(account: &str) -> Option<TrustMatch> {
    let document = policy(json!({"Effect": "Allow", "Principal": {"AWS": account}, "Action": "sts:AssumeRole"}));
    trust_of(&document, "sts:AssumeRole")
}

fn trust_of(document: &PolicyDocument, action: &str) -> Option<TrustMatch> {
    let arns = [ROLE.to_owned(), SESSION.to_owned()];
    document.trusts(RequestPrincipal::Aws { account: ACCOUNT, arns: &arns }, action, &Context::default())
}

#[test]
fn aws_principals_match_by_arn_and_account() {
    for (name, expected) in [
        ("*", Some(TrustMatch::Principal)),
        (ROLE, Some(TrustMatch::Principal)),
        (SESSION, Some(TrustMatch::Principal)),
        (ACCOUNT, Some(TrustMatch::Account)),
        ("arn:aws:iam::111111111111:root", Some(TrustMatch::Account)),
        ("222222222222", None),
        ("arn:aws:iam::222222222222:root", None),
        ("arn:aws:iam::111111111111:role/other", None),
        ("arn:aws:sts::111111111111:assumed-role/r/other", None),
    ] {
        assert_eq!(trust_of_principal(name), expected, "{name}");
    }
}

#[test]
fn star_and_lists_of_principals_match() {
    for (principal, expected) in [
        (json!("*"), Some(TrustMatch::Principal)),
        (json!({"AWS": ["222222222222", ACCOUNT]}), Some(TrustMatch::Account)),
        (json!({"AWS": [ACCOUNT, ROLE]}), Some(TrustMatch::Principal)),
        (json!({"Federated": ROLE}), None),
        (json!({"Service": "ec2.amazonaws.com"}), None),
    ] {
        let document = policy(json!({"Effect": "Allow", "Principal": principal, "Action": "sts:*"}));
        assert_eq!(trust_of(&document, "sts:AssumeRole"), expected, "{principal}");
    }
}

#[test]
fn a_provider_matches_only_as_a_federated_principal() {
    for (principal, expected) in [
        (json!({"Federated": PROVIDER}), Some(TrustMatch::Principal)),
        (json!({"Federated": [PROVIDER, "other"]}), Some(TrustMatch::Principal)),
        (json!({"Federated": "issuer"}), None),
        (json!({"AWS": PROVIDER}), None),
    ] {
        let document =
            policy(json!([{"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRoleWithWebIdentity"}]));
        let caller = RequestPrincipal::Federated { provider_arn: PROVIDER };
        let trust = document.trusts(caller, "sts:AssumeRoleWithWebIdentity", &Context::default());
        assert_eq!(trust, expected, "{principal}");
    }
}

#[test]
fn actions_match_and_deny_overrides_allow() {
    let allow = |action: Value| json!({"Effect": "Allow", "Principal": "*", "Action": action});
    for (action, expected) in [
        (json!("sts:AssumeRole"), true),
        (json!("STS:assumerole"), true),
        (json!("sts:*"), true),
        (json!("sts:Assume*"), true),
        (json!("*"), true),
        (json!(["sts:TagSession", "sts:AssumeRole"]), true),
        (json!("sts:TagSession"), false),
        (json!("sts:AssumeRoleWithWebIdentity"), false),
    ] {
        assert_eq!(trust_of(&policy(json!([allow(action.clone())])), "sts:AssumeRole").is_some(), expected, "{action}");
    }
    let not_action = policy(json!({"Effect": "Allow", "Principal": "*", "NotAction": "sts:TagSession"}));
    assert!(trust_of(&not_action, "sts:AssumeRole").is_some() && trust_of(&not_action, "sts:TagSession").is_none());
    let denied = policy(
        json!([allow(json!("sts:*")), {"Effect": "Deny", "Principal": {"AWS": ROLE}, "Action": "sts:AssumeRole"}]),
    );
    assert!(trust_of(&denied, "sts:AssumeRole").is_none() && trust_of(&denied, "sts:TagSession").is_some());
}

#[test]
fn conditions_apply_to_allow_and_deny() {
    let mut context = Context::default();
    context.set("sts:ExternalId", ["shared"]);
    let arns = [ROLE.to_owned()];
    let trusts = |effect_deny: bool, wanted: &str| {
        let conditional = json!({
            "Effect": if effect_deny { "Deny" } else { "Allow" }, "Principal": "*", "Action": "sts:AssumeRole",
            "Condition": {"StringEquals": {"STS:externalid": wanted}},
        });
        let mut statements = vec![conditional];
        if effect_deny {
            statements.push(json!({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}));
        }
        let document = policy(Value::Array(statements));
        document.trusts(RequestPrincipal::Aws { account: ACCOUNT, arns: &arns }, "sts:AssumeRole", &context).is_some()
    };
    assert!(trusts(false, "shared") && !trusts(false, "other"));
    assert!(!trusts(true, "shared") && trusts(true, "other"));
}

#[test]
fn permissions_match_resources() {
    let role_b = "arn:aws:iam::222222222222:role/team/b";
    let permission_on = |resource: Value| {
        let document = policy(json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": resource}));
        permission(&[document], "sts:AssumeRole", role_b, &Context::default())
    };
    for (resource, expected) in [
        (json!(role_b), Permission::Allowed),
        (json!("*"), Permission::Allowed),
        (json!("arn:aws:iam::*:role/team/*"), Permission::Allowed),
        (json!(["other", role_b]), Permission::Allowed),
        (json!("arn:aws:iam::222222222222:role/b"), Permission::ImplicitDeny),
        (json!([]), Permission::ImplicitDeny),
    ] {
        assert_eq!(permission_on(resource.clone()), expected, "{resource}");
    }
    let allow = policy(json!({"Effect": "Allow", "Action": "*", "Resource": "*"}));
    let deny = policy(json!({"Effect": "Deny", "Action": "sts:*", "NotResource": "arn:aws:iam::333333333333:*"}));
    assert_eq!(permission(&[], "sts:AssumeRole", role_b, &Context::default()), Permission::ImplicitDeny);
    assert_eq!(permission(&[deny, allow], "sts:AssumeRole", role_b, &Context::default()), Permission::ExplicitDeny);
}

#[test]
fn unsupported_documents_are_refused() {
    let trust = |extra: Value| {
        let mut statement = json!({"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"});
        for (key, value) in extra.as_object().expect("an object") {
            statement[key] = value.clone();
        }
        let text = json!({"Statement": statement}).to_string();
        text.parse::<PolicyDocument>()
            .map_err(|error| error.to_string())
            .and_then(|document| document.check(PolicyKind::Trust).map_err(|error| error.to_string()))
    };
    assert_eq!(trust(json!({})), Ok(()));
    for (extra, reason) in [
        (json!({"Effect": "Maybe"}), "unknown variant"),
        (json!({"Principals": "*"}), "unknown field"),
        (json!({"Principal": "arn:aws:iam::111111111111:root"}), "did not match"),
        (json!({"Principal": {"Aws": "1"}}), "did not match"),
        (json!({"Principal": {"AWS": "arn:aws:iam::111111111111:role/*"}}), "wildcards"),
        (json!({"NotPrincipal": "*"}), "NotPrincipal"),
        (json!({"Resource": "*"}), "must not have a Resource"),
        (json!({"NotAction": "*"}), "one of Action and NotAction"),
        (json!({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}), "operator Bool"),
        (json!({"Condition": {"StringEquals": {"sts:ExternalId": "${aws:userid}"}}}), "policy variables"),
    ] {
        let error = trust(extra.clone()).expect_err(&extra.to_string());
        assert!(error.contains(reason), "{extra}: {error}");
    }
    let permissions = policy(json!({"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}));
    assert!(permissions.check(PolicyKind::Permissions).is_err());
    assert!(policy(json!({"Effect": "Allow", "Action": "*"})).check(PolicyKind::Permissions).is_err());
    assert!(
        "{\"Version\": \"2020-01-01\", \"Statement\": []}"
            .parse::<PolicyDocument>()
            .expect("JSON")
            .check(PolicyKind::Trust)
            .is_err()
    );
}
