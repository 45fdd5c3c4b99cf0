use std::time::Duration;

use local_sts::Claims;
use serde_json::{Map, json};

use crate::support::{ROLE_A, policy, post, start, web_identity, with_token};

const VERIFICATION_KEY: &str = "Couldn't retrieve verification key from your identity provider,  please reference \
    AssumeRoleWithWebIdentity documentation for requirements";

#[test]
fn a_projected_token_becomes_a_session() {
    let sts = start();
    let reply = web_identity(&sts, &Claims::default(), &[("DurationSeconds", "900")]);
    reply.granted();
    assert_eq!(reply.expect("Arn"), "arn:aws:sts::111111111111:assumed-role/account-a-role/web");
    assert_eq!(reply.expect("SubjectFromWebIdentityToken"), "system:serviceaccount:shop:checkout");
    assert_eq!(reply.expect("Audience"), "sts.amazonaws.com");
    let host = sts.url().replace("http://", "");
    assert_eq!(reply.expect("Provider"), format!("arn:aws:iam::111111111111:oidc-provider/{host}"));
    assert!(reply.element("PackedPolicySize").is_none());
    assert!(reply.body.starts_with(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n  <AssumeRoleWithWebIdentityResult>"
    ));
    assert_eq!(reply.headers["content-type"], "text/xml");
    assert_eq!(reply.headers["x-amzn-requestid"], reply.expect("RequestId"));
    assert_eq!(sts.requests()[0].request_id, reply.expect("RequestId"));
}

#[test]
fn claims_that_are_refused() {
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
        web_identity(&sts, &claims, &[]).refused(code, status, message);
    }
}

#[test]
fn an_expired_token_says_when() {
    let sts = start();
    let expired = Claims { issued_at_offset: -3600, ..Claims::default() };
    let reply = web_identity(&sts, &expired, &[]);
    reply.refused("ExpiredTokenException", 400, "Token expired: current date/time ");
    let message = reply.expect("Message");
    let numbers: Vec<i64> = message.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert!(matches!(numbers[..], [now, expiry] if now >= expiry), "{message}");
    assert!(message.contains(" must be before the expiration date/time "), "{message}");
}

#[test]
fn what_is_no_token() {
    let sts = start();
    let good = sts.mint(&Claims::default());
    let newline = format!("{good}\n");
    for wrong in ["token", "aa.bb", "a.b.c", "....", newline.as_str(), &good[..good.len() / 2]] {
        with_token(&sts, wrong, &[]).refused(
            "InvalidIdentityToken",
            400,
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        );
    }
}

#[test]
fn a_signature_covers_the_claims() {
    let sts = start();
    let (good, other) = (sts.mint(&Claims::default()), sts.mint(&Claims::service_account("shop", "other")));
    let signature = other.rsplit_once('.').expect("a JWT").1;
    let forged = format!("{}.{signature}", good.rsplit_once('.').expect("a JWT").0);
    with_token(&sts, &forged, &[]).refused("InvalidIdentityToken", 400, "JWT signature is invalid");
}

#[test]
fn the_provider_is_looked_for_in_the_roles_account() {
    let sts = start();
    let foreign = [("RoleArn", "arn:aws:iam::222222222222:role/account-b-role")];
    let message = format!("No OpenIDConnect provider found in your account for {}", sts.issuer());
    web_identity(&sts, &Claims::default(), &foreign).refused("InvalidIdentityToken", 400, &message);
    let nobody = [("RoleArn", "arn:aws:iam::333333333333:role/r")];
    web_identity(&sts, &Claims::default(), &nobody).refused("InvalidIdentityToken", 400, &message);
    let no_role = [("RoleArn", "arn:aws:iam::111111111111:role/missing")];
    web_identity(&sts, &Claims::default(), &no_role).refused(
        "AccessDenied",
        403,
        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    );
}

#[test]
fn an_issuer_whose_keys_are_not_here() {
    let sts = start();
    sts.edit_world(|world| {
        let account = world.accounts.get_mut("111111111111").expect("in the default world");
        account.oidc_providers[0].url = "https://unreachable".to_owned();
    })
    .expect("a sound world");
    let claims = Claims { issuer: Some("https://unreachable".to_owned()), ..Claims::default() };
    web_identity(&sts, &claims, &[]).refused("InvalidIdentityToken", 400, VERIFICATION_KEY);
}

#[test]
fn a_trust_policy_can_be_mended_at_run_time() {
    let sts = start();
    let other = Claims::service_account("shop", "other");
    web_identity(&sts, &other, &[]).refused("AccessDenied", 403, "");
    sts.edit_role(ROLE_A, |role| {
        role.trust = policy(json!({"Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": "arn:aws:iam::111111111111:oidc-provider/{issuer_host}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {"StringLike": {"{issuer_host}:sub": "system:serviceaccount:shop:*"}},
        }}));
    })
    .expect("a sound world");
    web_identity(&sts, &other, &[]).granted();
}

#[test]
fn tags_and_source_identity_come_from_claims_and_need_trust() {
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
    web_identity(&sts, &tagged, &[]).refused("AccessDenied", 403, "Not authorized to perform sts:TagSession");
    web_identity(&sts, &named, &[]).refused("AccessDenied", 403, "Not authorized to perform sts:SetSourceIdentity");
    sts.edit_role(ROLE_A, |role| {
        role.trust = policy(json!({"Statement": {
            "Effect": "Allow",
            "Principal": {"Federated": "arn:aws:iam::111111111111:oidc-provider/{issuer_host}"},
            "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession", "sts:SetSourceIdentity"],
        }}));
    })
    .expect("a sound world");
    assert_eq!(web_identity(&sts, &tagged, &[]).expect("PackedPolicySize"), "1");
    assert_eq!(web_identity(&sts, &named, &[]).expect("SourceIdentity"), "checkout");
}

#[test]
fn parameters_out_of_their_limits() {
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
        web_identity(&sts, &Claims::default(), &[parameters]).refused("ValidationError", 400, message);
    }
    let nothing = post(&sts.url(), "AssumeRoleWithWebIdentity", &[]);
    nothing.refused("ValidationError", 400, "3 validation errors detected: Value null at 'webIdentityToken'");
    let longer = [("DurationSeconds", "3601")];
    sts.edit_role(ROLE_A, |role| role.max_session_duration = 43_200).expect("a sound world");
    web_identity(&sts, &Claims::default(), &longer).granted();
}

#[test]
fn session_policies() {
    let sts = start();
    let sound = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":true}}}]}"#;
    let reply = web_identity(
        &sts,
        &Claims::default(),
        &[("Policy", sound), ("PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess")],
    );
    assert_eq!(reply.expect("PackedPolicySize"), "5");
    for wrong in ["{", "[]", "{}", r#"{"Statement":[{"Effect":"Allow","Action":"*"}]}"#] {
        web_identity(&sts, &Claims::default(), &[("Policy", wrong)]).refused(
            "MalformedPolicyDocument",
            400,
            "Syntax errors in policy.",
        );
    }
    let eleven: Vec<(String, &str)> =
        (1..=11).map(|n| (format!("PolicyArns.member.{n}.arn"), "arn:aws:iam::aws:policy/P")).collect();
    let eleven: Vec<(&str, &str)> = eleven.iter().map(|(name, arn)| (name.as_str(), *arn)).collect();
    web_identity(&sts, &Claims::default(), &eleven).refused("ValidationError", 400, "less than or equal to 10");
}
