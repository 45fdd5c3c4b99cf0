//! STS implementations of stores, such as Ceph, MinIO and SeaweedFS: their role ARNs have no account, and any partition.

use local_sts::{Fault, LocalSts, World};
use serde_json::Value;

use crate::support::{Stage, get};

/// Starts a store with one role, `arn:PARTITION:iam:::role/S3Access`, that trusts the token.
fn store(partition: &str) -> Stage {
    let mut world = World::two_accounts();
    world.is_store = true;
    world.partition = Some(partition.to_owned());
    let mut account = world.accounts.remove("111111111111").expect("an account");
    world.accounts.clear();
    let mut role = account.roles.remove("account-a-role").expect("a role");
    let trust = serde_json::json!({"Statement": {
        "Effect": "Allow",
        "Principal": {"Federated": format!("arn:{partition}:iam:::oidc-provider/{{issuer_host}}")},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {"StringEquals": {"{issuer_host}:aud": "sts.amazonaws.com"}},
    }});
    role.trust = trust.to_string().parse().expect("a policy");
    role.policies.clear();
    account.users.clear();
    account.roles.clear();
    account.roles.insert("S3Access".to_owned(), role);
    world.accounts.insert(String::new(), account);
    Stage::with_sts(LocalSts::start(world).expect("start local STS"))
}

#[test]
fn roles_of_other_stores_are_assumed_and_vended() {
    for partition in ["aws", "minio"] {
        let stage = store(partition);
        let role = format!("arn:{partition}:iam:::role/S3Access");
        stage.credvend(&["export"]).env("AWS_ROLE_ARN", &role).end().succeeded();
        let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).env("AWS_ROLE_ARN", &role).start();
        let address = run.address();
        run.line(&["credentials obtained", &role]);
        let document = get(address, "/v1/credentials", &[]);
        assert_eq!(document.text("RoleArn"), role);
        assert!(!document.body.contains("AccountId"), "{}", document.body);
        let process = stage.credvend(&["process"]).env("AWS_ROLE_ARN", &role).end().succeeded();
        let process: Value = serde_json::from_str(&process.stdout).expect("JSON");
        assert!(process.get("AccountId").is_none(), "{process}");
    }
}

#[test]
fn check_warns_where_another_store_differs_from_aws() {
    let stage = store("aws");
    let role = "arn:aws:iam:::role/S3Access";
    let ended = stage.credvend(&["check"]).env("AWS_ROLE_ARN", role).end().succeeded();
    for words in
        ["warn  configuration", "is not a role ARN of AWS", "warn  identity", "arn:aws:sts::assumed-role/S3Access/"]
    {
        assert!(ended.stdout.contains(words), "{words} is missing in {}", ended.stdout);
    }
    let text = stage.credvend(&["trust-policy"]).env("AWS_ROLE_ARN", role).end().succeeded().stdout;
    assert!(text.contains("arn:aws:iam:::role/S3Access is not a role of AWS"), "{text}");
    let other = "arn:aws:iam:::role/Other";
    let refused = stage.credvend(&["check"]).env("AWS_ROLE_ARN", other).end();
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.last_line().contains("AccessDenied"), "{refused:?}");
}

#[test]
fn check_warns_about_an_sts_without_caller_identity() {
    let stage = Stage::new();
    stage.fault(Fault::error("InvalidAction", 400, "no such action").for_action("GetCallerIdentity"));
    let ended = stage.credvend(&["check"]).end().succeeded();
    assert!(ended.stdout.contains("warn  identity") && ended.stdout.contains("InvalidAction"), "{}", ended.stdout);
}
