use local_sts::Claims;
use serde_json::json;

use crate::support::{
    Credentials, ROLE_A, ROLE_B, Response, assume_role, policy, role_a_credentials, set_trust_of_role_b, signed, start,
    web_identity,
};

const NOT_AUTHORIZED: &str = "User: arn:aws:sts::111111111111:assumed-role/account-a-role/web is not authorized to perform: \
    sts:AssumeRole on resource: arn:aws:iam::222222222222:role/account-b-role";

#[track_caller]
fn expect_denied(response: &Response) {
    response.expect_error("AccessDenied", 403, NOT_AUTHORIZED);
}

#[test]
fn cross_account_role_needs_trust_policy_and_permission() {
    let sts = start();
    let credentials = role_a_credentials(&sts);
    let response = assume_role(&sts, &credentials, &[]);
    let session = response.expect_credentials();
    assert_eq!(response.expect("Arn"), "arn:aws:sts::222222222222:assumed-role/account-b-role/hop");
    let identity = signed(&sts.url(), &session, "GetCallerIdentity", &[]);
    assert_eq!(identity.expect("Account"), "222222222222");
    assert_eq!(identity.expect("UserId"), response.expect("AssumedRoleId"));

    set_trust_of_role_b(&sts, json!({"Principal": {"AWS": "arn:aws:iam::111111111111:role/other"}}));
    expect_denied(&assume_role(&sts, &credentials, &[]));
    for principal in [
        "*",
        "111111111111",
        "arn:aws:iam::111111111111:root",
        "arn:aws:sts::111111111111:assumed-role/account-a-role/web",
    ] {
        set_trust_of_role_b(&sts, json!({"Principal": {"AWS": principal}}));
        assume_role(&sts, &credentials, &[]).expect_credentials();
    }
    sts.edit_role(ROLE_A, |role| role.policies.clear()).expect("valid world");
    expect_denied(&assume_role(&sts, &credentials, &[]));
    let other_resource = json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::222222222222:role/other*"}});
    sts.edit_role(ROLE_A, |role| role.policies = vec![policy(other_resource)]).expect("valid world");
    expect_denied(&assume_role(&sts, &credentials, &[]));
    let wide =
        json!({"Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "arn:aws:iam::222222222222:role/*"}});
    sts.edit_role(ROLE_A, |role| role.policies = vec![policy(wide)]).expect("valid world");
    assume_role(&sts, &credentials, &[]).expect_credentials();
}

#[test]
fn same_account_caller_needs_no_permission_only_if_the_trust_policy_names_it() {
    let sts = start();
    let user = Credentials::of_base_user();
    let assume_role_a = |sts| assume_role(sts, &user, &[("RoleArn", ROLE_A)]);
    assume_role_a(&sts).expect_credentials();
    let by_root =
        json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sts:AssumeRole"}});
    sts.edit_role(ROLE_A, |role| role.trust = policy(by_root)).expect("valid world");
    assume_role_a(&sts).expect_error(
        "AccessDenied",
        403,
        "User: arn:aws:iam::111111111111:user/base-user is not authorized",
    );
    let allowed = policy(json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_A}}));
    let set_policies = |policies: Vec<_>| {
        sts.edit_world(|world| {
            let account = world.accounts.get_mut("111111111111").expect("in the built-in world");
            account.users.get_mut("base-user").expect("in the built-in world").policies = policies;
        })
        .expect("valid world");
    };
    set_policies(vec![allowed.clone()]);
    assume_role_a(&sts).expect_credentials();
    set_policies(vec![allowed, policy(json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}))]);
    assume_role_a(&sts).expect_error("AccessDenied", 403, "");
}

#[test]
fn session_policy_restricts_the_next_hop() {
    let sts = start();
    let restricted_to = |action: &str| {
        let policy = json!({"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}).to_string();
        web_identity(&sts, &Claims::default(), &[("Policy", &policy)]).expect_credentials()
    };
    expect_denied(&assume_role(&sts, &restricted_to("s3:*"), &[]));
    assume_role(&sts, &restricted_to("sts:AssumeRole"), &[]).expect_credentials();
}

#[test]
fn missing_role_is_refused_like_an_existing_one() {
    let sts = start();
    let response =
        assume_role(&sts, &role_a_credentials(&sts), &[("RoleArn", "arn:aws:iam::222222222222:role/missing")]);
    response.expect_error("AccessDenied", 403, "sts:AssumeRole on resource: arn:aws:iam::222222222222:role/missing");
    let path = assume_role(
        &sts,
        &role_a_credentials(&sts),
        &[("RoleArn", "arn:aws:iam::222222222222:role/path/account-b-role")],
    );
    path.expect_error("AccessDenied", 403, "role/path/account-b-role");
    let partition = assume_role(
        &sts,
        &role_a_credentials(&sts),
        &[("RoleArn", "arn:aws-cn:iam::222222222222:role/account-b-role")],
    );
    partition.expect_error("AccessDenied", 403, "arn:aws-cn:");
}

#[test]
fn external_id_must_match_the_trust_policy() {
    let sts = start();
    let credentials = role_a_credentials(&sts);
    set_trust_of_role_b(
        &sts,
        json!({"Condition": {"StringEquals": {"sts:ExternalId": "shared secret".replace(' ', "-")}}}),
    );
    expect_denied(&assume_role(&sts, &credentials, &[]));
    expect_denied(&assume_role(&sts, &credentials, &[("ExternalId", "other")]));
    assume_role(&sts, &credentials, &[("ExternalId", "shared-secret")]).expect_credentials();
    assume_role(&sts, &credentials, &[("ExternalId", "a b")]).expect_error(
        "ValidationError",
        400,
        r"at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@:\/-]*",
    );
    assume_role(&sts, &credentials, &[("ExternalId", "a")]).expect_error(
        "ValidationError",
        400,
        "greater than or equal to 2",
    );
}

#[test]
fn trust_policy_can_require_a_session_name() {
    let sts = start();
    let credentials = role_a_credentials(&sts);
    set_trust_of_role_b(&sts, json!({"Condition": {"StringLike": {"sts:RoleSessionName": "h*"}}}));
    assume_role(&sts, &credentials, &[]).expect_credentials();
    expect_denied(&assume_role(&sts, &credentials, &[("RoleSessionName", "jump")]));
}

#[test]
fn session_tags_need_trust_and_have_limits() {
    let sts = start();
    let credentials = role_a_credentials(&sts);
    let tag = |key: &'static str, value: &'static str| [("Tags.member.1.Key", key), ("Tags.member.1.Value", value)];
    assume_role(&sts, &credentials, &tag("team", "shop")).expect_error(
        "AccessDenied",
        403,
        "is not authorized to perform: sts:TagSession on resource: ",
    );
    set_trust_of_role_b(
        &sts,
        json!({
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEqualsIfExists": {"aws:RequestTag/team": ["shop", ""]}},
        }),
    );
    assert_eq!(assume_role(&sts, &credentials, &tag("team", "shop")).expect("PackedPolicySize"), "1");
    assume_role(&sts, &credentials, &tag("team", "")).expect_credentials();
    expect_denied(&assume_role(&sts, &credentials, &tag("team", "other")));

    let long: &'static str = "k".repeat(257).leak();
    assume_role(&sts, &credentials, &tag("", "v")).expect_error(
        "ValidationError",
        400,
        "at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1",
    );
    assume_role(&sts, &credentials, &tag(&long[..129], "v")).expect_error(
        "ValidationError",
        400,
        "less than or equal to 128",
    );
    assume_role(&sts, &credentials, &tag("k", long)).expect_error("ValidationError", 400, "less than or equal to 256");
    let twice = [("Tags.member.1.Key", "k"), ("Tags.member.2.Key", "K")];
    assume_role(&sts, &credentials, &twice).expect_error(
        "InvalidParameterValue",
        400,
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    );
    let unknown_transitive = [("TransitiveTagKeys.member.1", "k")];
    assume_role(&sts, &credentials, &unknown_transitive).expect_error(
        "InvalidParameterValue",
        400,
        "transitive tag key must be included",
    );
    let gap = [("Tags.member.2.Key", "k")];
    assume_role(&sts, &credentials, &gap).expect_error("MalformedInput", 400, "Tags");

    let many: Vec<(String, String)> = (1..=51).map(|n| (format!("Tags.member.{n}.Key"), format!("k{n}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assume_role(&sts, &credentials, &many).expect_error(
        "ValidationError",
        400,
        "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50",
    );
    assume_role(&sts, &credentials, &many[..50]).expect_credentials();
    let mut large = many[..50].to_vec();
    let names: Vec<String> = (1..=50).map(|n| format!("Tags.member.{n}.Value")).collect();
    large.extend(names.iter().map(|name| (name.as_str(), &long[..256])));
    assume_role(&sts, &credentials, &large).expect_error("PackedPolicyTooLarge", 400, "% of allotted space.");
}

#[test]
fn transitive_tags_are_inherited_along_the_chain() {
    let sts = start();
    let tagging = json!({"Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": "*"});
    set_trust_of_role_b(&sts, tagging);
    sts.edit_role(ROLE_B, |role| {
        role.policies =
            vec![policy(json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}))];
    })
    .expect("valid world");
    let tags = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "shop"), ("TransitiveTagKeys.member.1", "team")];
    let tagged = assume_role(&sts, &role_a_credentials(&sts), &tags).expect_credentials();
    // The second hop inherits `team`. It cannot set the tag again, and needs sts:TagSession even without tags of its own.
    assume_role(&sts, &tagged, &[]).expect_credentials();
    assume_role(&sts, &tagged, &tags[..2]).expect_error(
        "InvalidParameterValue",
        400,
        "conflicts with a transitive tag key from the calling session.",
    );
    set_trust_of_role_b(&sts, json!({"Principal": "*"}));
    assume_role(&sts, &tagged, &[]).expect_error("AccessDenied", 403, "sts:TagSession");
    set_trust_of_role_b(
        &sts,
        json!({"Principal": "*", "Action": "sts:*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "shop"}}}),
    );
    assume_role(&sts, &tagged, &[]).expect_credentials();
    assume_role(&sts, &role_a_credentials(&sts), &[]).expect_error("AccessDenied", 403, "sts:AssumeRole");
}

#[test]
fn source_identity_needs_trust_and_cannot_change() {
    let sts = start();
    let credentials = role_a_credentials(&sts);
    assume_role(&sts, &credentials, &[("SourceIdentity", "checkout")]).expect_error(
        "AccessDenied",
        403,
        "sts:SetSourceIdentity on resource",
    );
    set_trust_of_role_b(&sts, json!({"Principal": "*", "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"]}));
    sts.edit_role(ROLE_B, |role| {
        role.policies =
            vec![policy(json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}))];
    })
    .expect("valid world");
    let first = assume_role(&sts, &credentials, &[("SourceIdentity", "checkout")]);
    assert_eq!(first.expect("SourceIdentity"), "checkout");
    assert_eq!(assume_role(&sts, &first.expect_credentials(), &[]).expect("SourceIdentity"), "checkout");
    assume_role(&sts, &first.expect_credentials(), &[("SourceIdentity", "other")]).expect_error(
        "AccessDenied",
        403,
        "sts:SetSourceIdentity",
    );
    assume_role(&sts, &credentials, &[("SourceIdentity", "a b")]).expect_error(
        "ValidationError",
        400,
        "at 'sourceIdentity'",
    );
}

#[test]
fn chained_session_is_limited_to_one_hour() {
    let sts = start();
    for arn in [ROLE_A, ROLE_B] {
        sts.edit_role(arn, |role| role.max_session_duration = 43_200).expect("valid world");
    }
    let long = [("DurationSeconds", "3601")];
    assume_role(&sts, &role_a_credentials(&sts), &long).expect_error(
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    );
    assume_role(&sts, &role_a_credentials(&sts), &[("DurationSeconds", "3600")]).expect_credentials();
    // A session that a user requests is not a chained session.
    assume_role(&sts, &Credentials::of_base_user(), &[("RoleArn", ROLE_A), long[0]]).expect_credentials();
}

#[test]
fn mfa_codes_are_always_refused() {
    let sts = start();
    let code = [("SerialNumber", "arn:aws:iam::111111111111:mfa/user"), ("TokenCode", "123456")];
    assume_role(&sts, &role_a_credentials(&sts), &code).expect_error(
        "AccessDenied",
        403,
        "MultiFactorAuthentication failed",
    );
}

#[test]
fn invalid_caller_credentials_are_refused() {
    let sts = start();
    let credentials = role_a_credentials(&sts);
    let invalid = "The security token included in the request is invalid.";
    let does_not_match = "The request signature we calculated does not match the signature you provided.";
    for (credentials, code, message) in [
        (Credentials { secret: "x".repeat(40), ..credentials.clone() }, "SignatureDoesNotMatch", does_not_match),
        (
            Credentials { secret: "x".repeat(40), ..Credentials::of_base_user() },
            "SignatureDoesNotMatch",
            does_not_match,
        ),
        (Credentials { token: None, ..credentials.clone() }, "InvalidClientTokenId", invalid),
        (Credentials { token: role_a_credentials(&sts).token, ..credentials.clone() }, "InvalidClientTokenId", invalid),
        (Credentials { id: "ASIAUNKNOWNUNKNOWNUN".to_owned(), ..credentials.clone() }, "InvalidClientTokenId", invalid),
        (
            Credentials { token: credentials.token.clone(), ..Credentials::of_base_user() },
            "InvalidClientTokenId",
            invalid,
        ),
    ] {
        assume_role(&sts, &credentials, &[]).expect_error(code, 403, message);
        signed(&sts.url(), &credentials, "GetCallerIdentity", &[]).expect_error(code, 403, message);
    }
}
