/// The formats of tools for infrastructure as code.
mod formats;

use local_sts::{Claims, LocalSts, OidcProvider, PolicyDocument, World};
use serde_json::{Value, json};

use crate::{
    profiles::CROSS_ACCOUNT,
    support::{Credvend, ROLE_A, ROLE_B, Stage},
};

const ROLE_C: &str = "arn:aws:iam::333333333333:role/account-c-role";

/// Runs `trust-policy --format json` and parses its output. Asserts that it calls no STS and prints no secret.
#[track_caller]
fn printed_json(stage: &Stage, command: Credvend) -> Value {
    let ended = command.end().succeeded();
    assert_eq!(ended.stderr, "");
    stage.refuse_leaks(&ended.stdout);
    assert_eq!(stage.actions(), [""; 0], "no call to STS");
    serde_json::from_str(&ended.stdout).expect("parse JSON")
}

/// Starts a stage with a third account. Its issuer is fixed, so documents printed in one stage are valid in another.
///
/// With `setup`, the accounts contain only its documents and identity providers.
fn stage_with(setup: Option<&Value>) -> Stage {
    let mut world = World::two_accounts();
    world.issuer = Some("https://oidc.example.com/id/ABCDEF".to_owned());
    let mut role_c = world.accounts["222222222222"].roles["account-b-role"].clone();
    role_c.trust = deny_all();
    world.accounts.entry("333333333333".to_owned()).or_default().roles.insert("account-c-role".to_owned(), role_c);
    if let Some(setup) = setup {
        for account in world.accounts.values_mut() {
            account.oidc_providers.clear();
            for role in account.roles.values_mut() {
                role.trust = deny_all();
                role.policies.clear();
            }
        }
        for provider in setup["identity_providers"].as_array().expect("a JSON array") {
            let account = world
                .accounts
                .get_mut(provider["account_id"].as_str().expect("a JSON string"))
                .expect("an account of the world");
            account.oidc_providers.push(OidcProvider {
                url: provider["url"].as_str().expect("a JSON string").to_owned(),
                client_ids: serde_json::from_value(provider["client_ids"].clone()).expect("a JSON array"),
            });
        }
        for document in setup["documents"].as_array().expect("a JSON array") {
            let policy: PolicyDocument = document["policy"].to_string().parse().expect("parse policy");
            let role =
                world.role_mut(document["role_arn"].as_str().expect("a JSON string")).expect("a role of the world");
            match document["kind"].as_str() {
                Some("trust_policy") => role.trust = policy,
                Some("permission_policy") => role.policies.push(policy),
                other => panic!("unknown kind {other:?}"),
            }
        }
    }
    Stage::with_sts(LocalSts::start(world).expect("start local STS"))
}

/// Returns a trust policy that allows no caller.
fn deny_all() -> PolicyDocument {
    let document = json!({"Statement": {"Effect": "Deny", "Principal": "*", "Action": "sts:*", "Condition": {"StringEquals": {"sts:RoleSessionName": "x"}}}});
    document.to_string().parse().expect("parse policy")
}

/// Flags of a chain of three roles with every parameter that a hop can have.
const CHAIN: [&str; 10] = [
    "--chain-role-arn",
    ROLE_B,
    "--chain-role-arn",
    ROLE_C,
    "--session-tag=pod",
    "--session-tag=team=a",
    "--transitive-tag=team",
    "--source-identity=ops",
    "--external-id",
    "shared/word",
];

#[test]
fn printed_policies_are_sufficient() {
    let printer = stage_with(None);
    let setup = printed_json(&printer, printer.credvend(&[&["trust-policy", "--format", "json"][..], &CHAIN].concat()));
    let targets: Vec<_> = setup["documents"]
        .as_array()
        .expect("a JSON array")
        .iter()
        .map(|document| {
            (document["role_arn"].as_str().expect("a JSON string"), document["kind"].as_str().expect("a JSON string"))
        })
        .collect();
    assert_eq!(
        targets,
        [
            (ROLE_A, "trust_policy"),
            (ROLE_B, "trust_policy"),
            (ROLE_A, "permission_policy"),
            (ROLE_C, "trust_policy"),
            (ROLE_B, "permission_policy"),
        ]
    );

    let stage = stage_with(Some(&setup));
    let export = || stage.credvend(&[&["export"][..], &CHAIN].concat());
    export().end().succeeded();
    let without_external_id = stage.credvend(&[&["export"][..], &CHAIN[..8]].concat());
    without_external_id.end().failed(4, &["hop 3", "AccessDenied"]);
    for (namespace, account) in [("other", "checkout"), ("shop", "other")] {
        stage.renew_token(&Claims::service_account(namespace, account));
        export().end().failed(4, &["hop 1", "AccessDenied"]);
    }
}

#[test]
fn each_printed_document_is_necessary() {
    let printer = stage_with(None);
    let setup = printed_json(&printer, printer.credvend(&[&["trust-policy", "--format", "json"][..], &CHAIN].concat()));
    let count = setup["documents"].as_array().expect("a JSON array").len();
    for removed in 0..count {
        let mut setup = setup.clone();
        setup["documents"].as_array_mut().expect("a JSON array").remove(removed);
        let stage = stage_with(Some(&setup));
        stage.credvend(&[&["export"][..], &CHAIN].concat()).end().failed(4, &["AccessDenied"]);
    }
}

#[test]
fn namespace_wide_trust_is_limited_to_the_namespace() {
    let printer = stage_with(None);
    let arguments = ["trust-policy", "--namespace-wide", "--format", "json", "--chain-role-arn", ROLE_B];
    let setup = printed_json(&printer, printer.credvend(&arguments));
    let condition = &setup["documents"][0]["policy"]["Statement"][0]["Condition"];
    assert_eq!(
        condition,
        &json!({
            "StringEquals": {"oidc.example.com/id/ABCDEF:aud": "sts.amazonaws.com"},
            "StringLike": {"oidc.example.com/id/ABCDEF:sub": "system:serviceaccount:shop:*"},
        })
    );
    let stage = stage_with(Some(&setup));
    let export = || stage.credvend(&["export", "--chain-role-arn", ROLE_B]);
    stage.renew_token(&Claims::service_account("shop", "any"));
    export().end().succeeded();
    stage.renew_token(&Claims::service_account("shop2", "checkout"));
    export().end().failed(4, &["hop 1", "AccessDenied"]);

    printer
        .renew_token(&Claims { subject: Some("repo:org/app".into()), ..Claims::service_account("shop", "checkout") });
    printer.credvend(&arguments).end().failed(2, &["--namespace-wide", "service account"]);
}

#[test]
fn direct_trust_needs_only_the_last_account() {
    let printer = stage_with(None);
    let arguments = ["trust-policy", "--direct", "--format", "json", "--chain-role-arn", ROLE_B];
    let setup = printed_json(&printer, printer.credvend(&arguments));
    assert_eq!(setup["documents"].as_array().map(Vec::len), Some(1));
    let url = "https://oidc.example.com/id/ABCDEF";
    let provider = json!({"account_id": "222222222222", "url": url, "client_ids": ["sts.amazonaws.com"]});
    assert_eq!(setup["identity_providers"], json!([provider]));
    let stage = stage_with(Some(&setup));
    stage.credvend(&["export", "--role-arn", ROLE_B]).end().succeeded();

    let text = printer.credvend(&["trust-policy", "--direct", "--chain-role-arn", ROLE_B]).end().succeeded().stdout;
    for words in [
        "aws iam create-open-id-connect-provider --url https://oidc.example.com/id/ABCDEF --client-id-list sts.amazonaws.com",
        &format!("AWS_ROLE_ARN={ROLE_B}"),
        "arn:aws:iam::222222222222:oidc-provider/oidc.example.com/id/ABCDEF",
    ] {
        assert!(text.contains(words), "{words:?} is missing in {text}");
    }
}

#[test]
fn text_output_is_json_with_comments_that_name_each_target() {
    let printer = stage_with(None);
    let json = printed_json(
        &printer,
        printer.with_config(&["trust-policy", "--all-profiles", "--format", "json"], CROSS_ACCOUNT),
    );
    let text = printer.with_config(&["trust-policy", "--all-profiles"], CROSS_ACCOUNT).end().succeeded().stdout;
    let uncommented: String =
        text.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    let documents: Vec<Value> = serde_json::Deserializer::from_str(&uncommented)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("parse JSON documents");
    let policies: Vec<Value> =
        json["documents"].as_array().expect("a JSON array").iter().map(|document| document["policy"].clone()).collect();
    assert_eq!(documents, policies);
    assert_eq!(policies.len(), 3, "a document that two profiles share is printed once");
    for words in [
        "# trust policy of arn:aws:iam::111111111111:role/account-a-role, in account 111111111111",
        "aws iam update-assume-role-policy --role-name account-b-role --policy-document file://account-b-role-trust.json",
        "aws iam put-role-policy --role-name account-a-role --policy-name assume-role --policy-document file://account-a-role-permission.json",
    ] {
        assert!(text.contains(words), "{words:?} is missing in {text}");
    }
}

#[test]
fn role_shared_by_two_profiles_gets_one_document() {
    let printer = stage_with(None);
    let config = format!("{CROSS_ACCOUNT}[profile c]\nsource_profile = account_a_role\nrole_arn = {ROLE_C}\n");
    let setup =
        printed_json(&printer, printer.with_config(&["trust-policy", "--all-profiles", "--format", "json"], &config));
    assert_eq!(setup["documents"].as_array().map(Vec::len), Some(4));
    let stage = stage_with(Some(&setup));
    for profile in ["account_b_role", "c"] {
        stage.with_config(&["export", "--profile", profile], &config).end().succeeded();
    }
}

#[test]
fn static_keys_leave_a_placeholder_principal() {
    let stage = Stage::new();
    let config = format!(
        "[default]\nrole_arn = {ROLE_A}\nsource_profile = keys\n[profile keys]\naws_access_key_id = AKIAX\naws_secret_access_key = hidden-secret\n"
    );
    let ended = stage.with_config(&["trust-policy"], &config).end().succeeded();
    assert!(
        ended.stdout.contains("\"AWS\": \"arn:aws:iam::111111111111:root\"") && ended.stdout.contains("placeholder")
    );
    assert!(!ended.stdout.contains("hidden-secret"));
    let json = printed_json(&stage, stage.with_config(&["trust-policy", "--format", "json"], &config));
    assert!(json["documents"][0]["note"].as_str().expect("a note").contains("placeholder"));
    assert_eq!(json["identity_providers"], json!([]));
    stage.with_config(&["trust-policy", "--direct"], &config).end().failed(2, &["--direct", "web identity token"]);
}

#[test]
fn trust_policy_accepts_an_expired_token_and_no_region() {
    let stage = Stage::new();
    stage.renew_token(&Claims { issued_at_offset: -7200, ..Claims::service_account("shop", "checkout") });
    stage.credvend(&["trust-policy"]).without("AWS_REGION").without("AWS_ENDPOINT_URL_STS").end().succeeded();
    let absent = stage.path("absent");
    let run = stage.credvend(&["trust-policy"]).env("AWS_WEB_IDENTITY_TOKEN_FILE", absent);
    run.end().failed(3, &["absent", "no such file"]);
    stage.renew_token(&Claims { audience: vec![], ..Claims::service_account("shop", "checkout") });
    stage.credvend(&["trust-policy"]).end().failed(3, &["audience", "projected"]);
    stage.credvend(&["trust-policy", "--format", "yaml"]).end().failed(2, &["--format"]);
}

#[test]
fn issuer_that_aws_cannot_use_is_named_instead_of_a_command() {
    for issuer in [
        "https://kubernetes.default.svc.cluster.local",
        "https://10.0.0.1:6443",
        "https://issuer.example:8443",
        "http://issuer.example.com",
    ] {
        let mut world = World::two_accounts();
        world.issuer = Some(issuer.to_owned());
        world.accounts.values_mut().for_each(|account| account.oidc_providers.clear());
        let stage = Stage::with_sts(LocalSts::start(world).expect("start local STS"));
        let json = printed_json(&stage, stage.credvend(&["trust-policy", "--format", "json"]));
        assert!(json["identity_providers"][0]["problem"].is_string(), "{json}");
        let refused = stage.credvend(&["check"]).end();
        assert_eq!(refused.code, Some(4), "{refused:?}");
        assert!(refused.last_line().contains("can have no IAM identity provider"), "{refused:?}");
        let printed = [
            stage.credvend(&["trust-policy"]).end().succeeded().stdout,
            stage.credvend(&["trust-policy", "--direct"]).end().succeeded().stdout,
            stage.credvend(&["check", "--offline"]).end().succeeded().stdout,
            refused.stdout,
        ];
        for text in printed {
            assert!(!text.contains("create-open-id-connect-provider"), "{text}");
            for words in
                ["AWS cannot use the issuer", issuer, "--service-account-issuer", "kubeadm", "kind", "k3s", "kops"]
            {
                assert!(text.contains(words), "{words} is missing in {text}");
            }
        }
        stage.credvend(&["export"]).end().failed(4, &["AWS cannot use this token's issuer", issuer, "credvend check"]);
    }
}
