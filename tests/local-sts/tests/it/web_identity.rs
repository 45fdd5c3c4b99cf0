use std::time::Duration;

use local_sts::Claims;
use serde_json::{Map, json};

use crate::support::{ROLE_A, policy, post, start, web_identity, with_token};

const VERIFICATION_KEY: &str = "Couldn't retrieve verification key from your identity provider,  please reference \
    AssumeRoleWithWebIdentity documentation for requirements";

#[test]
fn projected_token_is_exchanged_for_a_session() {
    let sts = start();
    let response = web_identity(&sts, &Claims::default(), &[("DurationSeconds", "900")]);
    response.expect_credentials();
    assert_eq!(response.expect("Arn"), "arn:aws:sts::111111111111:assumed-role/account-a-role/web");
    assert_eq!(response.expect("SubjectFromWebIdentityToken"), "system:serviceaccount:shop:checkout");
    assert_eq!(response.expect("Audience"), "sts.amazonaws.com");
    let host = sts.url().replace("http://", "");
    assert_eq!(response.expect("Provider"), format!("arn:aws:iam::111111111111:oidc-provider/{host}"));
    assert!(response.element("PackedPolicySize").is_none());
    assert!(response.body.starts_with(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <AssumeRoleWithWebIdentityResult>"
    ));
    assert_eq!(response.headers["content-type"], "text/xml");
    assert_eq!(response.headers["x-amzn-requestid"], response.expect("RequestId"));
    assert_eq!(sts.requests()[0].request_id, response.expect("RequestId"));
}

#[test]
fn invalid_claims_are_refused() {
    let sts = start();
    let claims = Claims::default;
    let without = |name: &str| Claims { extra: Map::from_iter([(name.to_owned(), json!(null))]), ..claims() };
    for (claims, code, status, message) in [
        (
            Claims { issuer: Some("https://elsewhere".to_owned()), ..claims() },
            "InvalidIdentityToken",
            400,
            "No OpenIDConnect provider found in your account for https://elsewhere",
        ),
        (
            Claims { audience: vec!["api".to_owned()], ..claims() },
            "InvalidIdentityToken",
            400,
            "Incorrect token audience",
        ),
        (Claims { audience: vec![], ..claims() }, "InvalidIdentityToken", 400, "Missing a required claim: aud"),
        (without("iss"), "InvalidIdentityToken", 400, "Missing a required claim: iss"),
        (without("sub"), "InvalidIdentityToken", 400, "Missing a required claim: sub"),
        (without("exp"), "InvalidIdentityToken", 400, "Missing a required claim: exp"),
        (without("iat"), "InvalidIdentityToken", 400, "Missing a required claim: iat"),
        (Claims { key_id: Some("rotated".to_owned()), ..claims() }, "InvalidIdentityToken", 400, VERIFICATION_KEY),
        (Claims { issued_at_offset: 600, ..claims() }, "InvalidIdentityToken", 400, "Token is not valid yet"),
        (
            Claims { issued_at_offset: -90_000, lifetime: Duration::from_secs(180_000), ..claims() },
            "ExpiredTokenException",
            400,
            "Token too old",
        ),
        (
            Claims { subject: Some("system:serviceaccount:shop:other".to_owned()), ..claims() },
            "AccessDenied",
            403,
            "Not authorized to perform sts:AssumeRoleWithWebIdentity",
        ),
    ] {
        web_identity(&sts, &claims, &[]).expect_error(code, status, message);
    }
}

#[test]
fn expired_token_error_contains_both_times() {
    let sts = start();
    let expired = Claims { issued_at_offset: -3600, ..Claims::default() };
    let response = web_identity(&sts, &expired, &[]);
    response.expect_error("ExpiredTokenException", 400, "Token expired: current date/time ");
    let message = response.expect("Message");
    let numbers: Vec<i64> = message.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(matches!(numbers[..], [now, expiry] if now >= expiry), "{message}");
    assert!(message.contains(" must be before the expiration date/time "), "{message}");
}

#[test]
fn malformed_tokens_are_refused() {
    let sts = start();
    let good = sts.mint(&Claims::default());
    let newline = format!("{good}\n");
    for wrong in ["token", "aa.bb", "a.b.c", "....", newline.as_str(), &good[..good.len() / 2]] {
        with_token(&sts, wrong, &[]).expect_error(
            "InvalidIdentityToken",
            400,
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        );
    }
}

#[test]
fn signature_of_another_token_is_refused() {
    let sts = start();
    let (good, other) = (sts.mint(&Claims::default()), sts.mint(&Claims::service_account("shop", "other")));
    let signature = other.rsplit_once('.').expect("JWT").1;
    let forged = format!("{}.{signature}", good.rsplit_once('.').expect("JWT").0);
    with_token(&sts, &forged, &[]).expect_error("InvalidIdentityToken", 400, "JWT signature is invalid");
}

#[test]
fn provider_must_be_in_the_account_of_the_role() {
    let sts = start();
    let other_account = [("RoleArn", "arn:aws:iam::222222222222:role/account-b-role")];
    let message = format!("No OpenIDConnect provider found in your account for {}", sts.issuer());
    web_identity(&sts, &Claims::default(), &other_account).expect_error("InvalidIdentityToken", 400, &message);
    let missing_account = [("RoleArn", "arn:aws:iam::333333333333:role/r")];
    web_identity(&sts, &Claims::default(), &missing_account).expect_error("InvalidIdentityToken", 400, &message);
    let missing_role = [("RoleArn", "arn:aws:iam::111111111111:role/missing")];
    web_identity(&sts, &Claims::default(), &missing_role).expect_error(
        "AccessDenied",
        403,
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    );
}

#[test]
fn issuer_without_a_known_key_is_refused() {
    let sts = start();
    sts.edit_world(|world| {
        let account = world.accounts.get_mut("111111111111").expect("in the built-in world");
        account.oidc_providers[0].url = "https://unreachable".to_owned();
    })
    .expect("valid world");
    let claims = Claims { issuer: Some("https://unreachable".to_owned()), ..Claims::default() };
    web_identity(&sts, &claims, &[]).expect_error("InvalidIdentityToken", 400, VERIFICATION_KEY);
}

#[test]
fn trust_policy_can_be_changed_at_run_time() {
    let sts = start();
    let other = Claims::service_account("shop", "other");
    web_identity(&sts, &other, &[]).expect_error("AccessDenied", 403, "");
    sts.edit_role(ROLE_A, |role| {
        role.trust = policy(json!({"Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": "arn:aws:iam::111111111111:oidc-provider/{issuer_host}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringLike": {"{issuer_host}:sub": "system:serviceaccount:shop:*"}},
        }}));
    })
    .expect("valid world");
    web_identity(&sts, &other, &[]).expect_credentials();
}

#[test]
fn tags_and_source_identity_in_claims_need_trust() {
    let sts = start();
    let tagged = Claims {
        extra: Map::from_iter([(
            "https://aws.amazon.com/tags".to_owned(),
            json!({"principal_tags": {"team": ["shop"]}, "transitive_tag_keys": ["team"]}),
        )]),
        ..Claims::default()
    };
    let named = Claims {
        extra: Map::from_iter([("https://aws.amazon.com/source_identity".to_owned(), json!("checkout"))]),
        ..Claims::default()
    };
    web_identity(&sts, &tagged, &[]).expect_error("AccessDenied", 403, "Not authorized to perform sts:TagSession");
    web_identity(&sts, &named, &[]).expect_error(
        "AccessDenied",
        403,
        "Not authorized to perform sts:SetSourceIdentity",
    );
    sts.edit_role(ROLE_A, |role| {
        role.trust = policy(json!({"Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": "arn:aws:iam::111111111111:oidc-provider/{issuer_host}"},
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
        }}));
    })
    .expect("valid world");
    assert_eq!(web_identity(&sts, &tagged, &[]).expect("PackedPolicySize"), "1");
    assert_eq!(web_identity(&sts, &named, &[]).expect("SourceIdentity"), "checkout");
}

#[test]
fn invalid_parameters_are_refused() {
    let sts = start();
    let long_name = "n".repeat(65);
    for (parameters, message) in [
        (
            ("RoleSessionName", "a:b"),
            r"Value 'a:b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*",
        ),
        (("RoleSessionName", "a"), "Member must have length greater than or equal to 2"),
        (("RoleSessionName", &long_name), "Member must have length less than or equal to 64"),
        (
            ("RoleArn", "arn:aws:iam::1:role"),
            "at 'roleArn' failed to satisfy constraint: Member must have length greater than or equal to 20",
        ),
        (("RoleArn", "arn:aws:iam::111111111111:role/account-a-role\n"), "Request ARN is invalid"),
        (("RoleArn", "arn:aws:iam::111111111111:user/base-user"), "Request ARN is invalid"),
        (
            ("DurationSeconds", "899"),
            "Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
        ),
        (("DurationSeconds", "43201"), "Member must have value less than or equal to 43200"),
        (
            ("DurationSeconds", "3601"),
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ),
        (("WebIdentityToken", "abc"), "Member must have length greater than or equal to 4"),
        (
            ("Policy", ""),
            "at 'policy' failed to satisfy constraint: Member must have length greater than or equal to 1",
        ),
        (("PolicyArns.member.1.arn", "arn:aws:iam::aws:role/r"), "Invalid ARN"),
        (("ProviderId", "www.amazon.com"), "ProviderId"),
    ] {
        web_identity(&sts, &Claims::default(), &[parameters]).expect_error("ValidationError", 400, message);
    }
    let nothing = post(&sts.url(), "AssumeRoleWithWebIdentity", &[]);
    nothing.expect_error("ValidationError", 400, "3 validation errors detected: Value null at 'webIdentityToken'");
    let longer = [("DurationSeconds", "3601")];
    sts.edit_role(ROLE_A, |role| role.max_session_duration = 43_200).expect("valid world");
    web_identity(&sts, &Claims::default(), &longer).expect_credentials();
}

#[test]
fn session_policies_are_validated() {
    let sts = start();
    let valid = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}}]}"#;
    let response = web_identity(
        &sts,
        &Claims::default(),
        &[("Policy", valid), ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess")],
    );
    assert_eq!(response.expect("PackedPolicySize"), "5");
    for wrong in ["{", "[]", "{}", r#"{"Statement":[{"Effect":"Allow","Action":"*"}]}"#] {
        web_identity(&sts, &Claims::default(), &[("Policy", wrong)]).expect_error(
            "MalformedPolicyDocument",
            400,
            "Syntax errors in policy.",
        );
    }
    let eleven: Vec<(String, &str)> =
        (1..=11).map(|n| (format!("PolicyArns.member.{n}.arn"), "arn:aws:iam::aws:policy/P")).collect();
    let eleven: Vec<(&str, &str)> = eleven.iter().map(|(name, arn)| (name.as_str(), *arn)).collect();
    web_identity(&sts, &Claims::default(), &eleven).expect_error("ValidationError", 400, "less than or equal to 10");
}
