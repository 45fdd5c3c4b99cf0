use local_sts::Claims;
use serde_json::json;

use crate::support::{Keys, ROLE_A, ROLE_B, Reply, hop, policy, session_of_a, signed, start, trust_b, web_identity};

const REFUSED: &str = "User: arn:aws:sts::111111111111:assumed-role/account-a-role/web is not authorized to perform: \
    sts:AssumeRole on resource: arn:aws:iam::222222222222:role/account-b-role";

#[track_caller]
fn denied(reply: &Reply) {
    reply.refused("AccessDenied", 403, REFUSED);
}

#[test]
fn across_accounts_both_sides_must_agree() {
    let sts = start();
    let keys = session_of_a(&sts);
    let reply = hop(&sts, &keys, &[]);
    let session = reply.granted();
    assert_eq!(reply.expect("Arn"), "arn:aws:sts::222222222222:assumed-role/account-b-role/hop");
    let identity = signed(&sts.url(), &session, "GetCallerIdentity", &[]);
    assert_eq!(identity.expect("Account"), "222222222222");
    assert_eq!(identity.expect("UserId"), reply.expect("AssumedRoleId"));

    trust_b(&sts, json!({"Principal": {"AWS": "arn:aws:iam::111111111111:role/other"}}));
    denied(&hop(&sts, &keys, &[]));
    for principal in [
        "*",
        "111111111111",
        "arn:aws:iam::111111111111:root",
        "arn:aws:sts::111111111111:assumed-role/account-a-role/web",
    ] {
        trust_b(&sts, json!({"Principal": {"AWS": principal}}));
        hop(&sts, &keys, &[]).granted();
    }
    sts.edit_role(ROLE_A, |role| role.policies.clear()).expect("a sound world");
    denied(&hop(&sts, &keys, &[]));
    let elsewhere = json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "arn:aws:iam::222222222222:role/other*"}});
    sts.edit_role(ROLE_A, |role| role.policies = vec![policy(elsewhere)]).expect("a sound world");
    denied(&hop(&sts, &keys, &[]));
    let wide =
        json!({"Statement": {"Effect": "Allow", "Action": "sts:*", "Resource": "arn:aws:iam::222222222222:role/*"}});
    sts.edit_role(ROLE_A, |role| role.policies = vec![policy(wide)]).expect("a sound world");
    hop(&sts, &keys, &[]).granted();
}

#[test]
fn within_an_account_being_named_is_enough_and_being_of_the_account_is_not() {
    let sts = start();
    let user = Keys::of_base_user();
    let become_a = |sts| hop(sts, &user, &[("RoleArn", ROLE_A)]);
    become_a(&sts).granted();
    let by_root =
        json!({"Statement": {"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "sts:AssumeRole"}});
    sts.edit_role(ROLE_A, |role| role.trust = policy(by_root)).expect("a sound world");
    become_a(&sts).refused("AccessDenied", 403, "User: arn:aws:iam::111111111111:user/base-user is not authorized");
    let allowed = policy(json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": ROLE_A}}));
    let set_policies = |policies: Vec<_>| {
        sts.edit_world(|world| {
            let account = world.accounts.get_mut("111111111111").expect("in the default world");
            account.users.get_mut("base-user").expect("in the default world").policies = policies;
        })
        .expect("a sound world");
    };
    set_policies(vec![allowed.clone()]);
    become_a(&sts).granted();
    set_policies(vec![allowed, policy(json!({"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}))]);
    become_a(&sts).refused("AccessDenied", 403, "");
}

#[test]
fn a_session_policy_narrows_the_next_hop() {
    let sts = start();
    let narrowed = |action: &str| {
        let policy = json!({"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}).to_string();
        web_identity(&sts, &Claims::default(), &[("Policy", &policy)]).granted()
    };
    denied(&hop(&sts, &narrowed("s3:*"), &[]));
    hop(&sts, &narrowed("sts:AssumeRole"), &[]).granted();
}

#[test]
fn a_role_that_does_not_exist_is_refused_like_one_that_does() {
    let sts = start();
    let reply = hop(&sts, &session_of_a(&sts), &[("RoleArn", "arn:aws:iam::222222222222:role/missing")]);
    reply.refused("AccessDenied", 403, "sts:AssumeRole on resource: arn:aws:iam::222222222222:role/missing");
    let path = hop(&sts, &session_of_a(&sts), &[("RoleArn", "arn:aws:iam::222222222222:role/path/account-b-role")]);
    path.refused("AccessDenied", 403, "role/path/account-b-role");
    let partition = hop(&sts, &session_of_a(&sts), &[("RoleArn", "arn:aws-cn:iam::222222222222:role/account-b-role")]);
    partition.refused("AccessDenied", 403, "arn:aws-cn:");
}

#[test]
fn external_ids() {
    let sts = start();
    let keys = session_of_a(&sts);
    trust_b(&sts, json!({"Condition": {"StringEquals": {"sts:ExternalId": "shared secret".replace(' ', "-")}}}));
    denied(&hop(&sts, &keys, &[]));
    denied(&hop(&sts, &keys, &[("ExternalId", "other")]));
    hop(&sts, &keys, &[("ExternalId", "shared-secret")]).granted();
    hop(&sts, &keys, &[("ExternalId", "a b")]).refused(
        "ValidationError",
        400,
        r"at 'externalId' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@:\/-]*",
    );
    hop(&sts, &keys, &[("ExternalId", "a")]).refused("ValidationError", 400, "greater than or equal to 2");
}

#[test]
fn session_names_in_conditions() {
    let sts = start();
    let keys = session_of_a(&sts);
    trust_b(&sts, json!({"Condition": {"StringLike": {"sts:RoleSessionName": "h*"}}}));
    hop(&sts, &keys, &[]).granted();
    denied(&hop(&sts, &keys, &[("RoleSessionName", "jump")]));
}

#[test]
fn tags_need_trust_and_keep_their_limits() {
    let sts = start();
    let keys = session_of_a(&sts);
    let tag = |key: &'static str, value: &'static str| [("Tags.member.1.Key", key), ("Tags.member.1.Value", value)];
    hop(&sts, &keys, &tag("team", "shop")).refused(
        "AccessDenied",
        403,
        "is not authorized to perform: sts:TagSession on resource: ",
    );
    trust_b(
        &sts,
        json!({
            "Action": ["sts:AssumeRole", "sts:TagSession"],
            "Condition": {"StringEqualsIfExists": {"aws:RequestTag/team": ["shop", ""]}},
        }),
    );
    assert_eq!(hop(&sts, &keys, &tag("team", "shop")).expect("PackedPolicySize"), "1");
    hop(&sts, &keys, &tag("team", "")).granted();
    denied(&hop(&sts, &keys, &tag("team", "other")));

    let long: &'static str = "k".repeat(257).leak();
    hop(&sts, &keys, &tag("", "v")).refused(
        "ValidationError",
        400,
        "at 'tags.1.member.key' failed to satisfy constraint: Member must have length greater than or equal to 1",
    );
    hop(&sts, &keys, &tag(&long[..129], "v")).refused("ValidationError", 400, "less than or equal to 128");
    hop(&sts, &keys, &tag("k", long)).refused("ValidationError", 400, "less than or equal to 256");
    let twice = [("Tags.member.1.Key", "k"), ("Tags.member.2.Key", "K")];
    hop(&sts, &keys, &twice).refused(
        "InvalidParameterValue",
        400,
        "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    );
    let unknown_transitive = [("TransitiveTagKeys.member.1", "k")];
    hop(&sts, &keys, &unknown_transitive).refused("InvalidParameterValue", 400, "transitive tag key must be included");
    let gap = [("Tags.member.2.Key", "k")];
    hop(&sts, &keys, &gap).refused("MalformedInput", 400, "Tags");

    let many: Vec<(String, String)> = (1..=51).map(|n| (format!("Tags.member.{n}.Key"), format!("k{n}"))).collect();
    let many: Vec<(&str, &str)> = many.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    hop(&sts, &keys, &many).refused(
        "ValidationError",
        400,
        "at 'tags' failed to satisfy constraint: Member must have length less than or equal to 50",
    );
    hop(&sts, &keys, &many[..50]).granted();
    let mut large = many[..50].to_vec();
    let names: Vec<String> = (1..=50).map(|n| format!("Tags.member.{n}.Value")).collect();
    large.extend(names.iter().map(|name| (name.as_str(), &long[..256])));
    hop(&sts, &keys, &large).refused("PackedPolicyTooLarge", 400, "% of allotted space.");
}

#[test]
fn transitive_tags_go_along_the_chain() {
    let sts = start();
    let tagging = json!({"Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": "*"});
    trust_b(&sts, tagging);
    sts.edit_role(ROLE_B, |role| {
        role.policies =
            vec![policy(json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}))];
    })
    .expect("a sound world");
    let tags = [("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "shop"), ("TransitiveTagKeys.member.1", "team")];
    let tagged = hop(&sts, &session_of_a(&sts), &tags).granted();
    // The second hop inherits `team`: it cannot be set again, and needs sts:TagSession even if nothing is passed.
    hop(&sts, &tagged, &[]).granted();
    hop(&sts, &tagged, &tags[..2]).refused(
        "InvalidParameterValue",
        400,
        "conflicts with a transitive tag key from the calling session.",
    );
    trust_b(&sts, json!({"Principal": "*"}));
    hop(&sts, &tagged, &[]).refused("AccessDenied", 403, "sts:TagSession");
    trust_b(
        &sts,
        json!({"Principal": "*", "Action": "sts:*", "Condition": {"StringEquals": {"aws:PrincipalTag/team": "shop"}}}),
    );
    hop(&sts, &tagged, &[]).granted();
    hop(&sts, &session_of_a(&sts), &[]).refused("AccessDenied", 403, "sts:AssumeRole");
}

#[test]
fn source_identities_need_trust_and_stay() {
    let sts = start();
    let keys = session_of_a(&sts);
    hop(&sts, &keys, &[("SourceIdentity", "checkout")]).refused(
        "AccessDenied",
        403,
        "sts:SetSourceIdentity on resource",
    );
    trust_b(&sts, json!({"Principal": "*", "Action": ["sts:AssumeRole", "sts:SetSourceIdentity"]}));
    sts.edit_role(ROLE_B, |role| {
        role.policies =
            vec![policy(json!({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}}))];
    })
    .expect("a sound world");
    let first = hop(&sts, &keys, &[("SourceIdentity", "checkout")]);
    assert_eq!(first.expect("SourceIdentity"), "checkout");
    assert_eq!(hop(&sts, &first.granted(), &[]).expect("SourceIdentity"), "checkout");
    hop(&sts, &first.granted(), &[("SourceIdentity", "other")]).refused("AccessDenied", 403, "sts:SetSourceIdentity");
    hop(&sts, &keys, &[("SourceIdentity", "a b")]).refused("ValidationError", 400, "at 'sourceIdentity'");
}

#[test]
fn a_chained_session_lasts_an_hour_at_most() {
    let sts = start();
    for arn in [ROLE_A, ROLE_B] {
        sts.edit_role(arn, |role| role.max_session_duration = 43_200).expect("a sound world");
    }
    let long = [("DurationSeconds", "3601")];
    hop(&sts, &session_of_a(&sts), &long).refused(
        "ValidationError",
        400,
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    );
    hop(&sts, &session_of_a(&sts), &[("DurationSeconds", "3600")]).granted();
    // A user is no role session.
    hop(&sts, &Keys::of_base_user(), &[("RoleArn", ROLE_A), long[0]]).granted();
}

#[test]
fn multi_factor_codes_are_never_right() {
    let sts = start();
    let code = [("SerialNumber", "arn:aws:iam::111111111111:mfa/user"), ("TokenCode", "123456")];
    hop(&sts, &session_of_a(&sts), &code).refused("AccessDenied", 403, "MultiFactorAuthentication failed");
}

#[test]
fn who_signs_must_be_known() {
    let sts = start();
    let keys = session_of_a(&sts);
    let invalid = "The security token included in the request is invalid.";
    let does_not_match = "The request signature we calculated does not match the signature you provided.";
    for (keys, code, message) in [
        (Keys { secret: "x".repeat(40), ..keys.clone() }, "SignatureDoesNotMatch", does_not_match),
        (Keys { secret: "x".repeat(40), ..Keys::of_base_user() }, "SignatureDoesNotMatch", does_not_match),
        (Keys { token: None, ..keys.clone() }, "InvalidClientTokenId", invalid),
        (Keys { token: session_of_a(&sts).token, ..keys.clone() }, "InvalidClientTokenId", invalid),
        (Keys { id: "ASIAUNKNOWNUNKNOWNUN".to_owned(), ..keys.clone() }, "InvalidClientTokenId", invalid),
        (Keys { token: keys.token.clone(), ..Keys::of_base_user() }, "InvalidClientTokenId", invalid),
    ] {
        hop(&sts, &keys, &[]).refused(code, 403, message);
        signed(&sts.url(), &keys, "GetCallerIdentity", &[]).refused(code, 403, message);
    }
}
