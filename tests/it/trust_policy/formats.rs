use local_sts::{Claims, LocalSts, World};
use serde_json::json;

use super::{CHAIN, ROLE_C, printed_json, stage_with};
use crate::support::{ROLE_A, ROLE_B, Stage};

/// The formats other than text and JSON.
const FORMATS: [&str; 3] = ["terraform", "cloudformation", "eksctl"];

/// A third role of a chain, in the account of the first.
const ROLE_D: &str = "arn:aws:iam::111111111111:role/team/account-a-second-role";

/// Starts a stage whose issuer is that of an EKS cluster.
fn eks_stage() -> Stage {
    let mut world = World::two_accounts();
    world.issuer = Some("https://oidc.eks.eu-central-1.amazonaws.com/id/ABCDEF".to_owned());
    Stage::with_sts(LocalSts::start(world).expect("start local STS"))
}

fn printed(stage: &Stage, format: &str, arguments: &[&str]) -> String {
    let ended = stage.credvend(&[&["trust-policy", "--format", format], arguments].concat()).end().succeeded();
    assert_eq!(ended.stderr, "");
    stage.refuse_leaks(&ended.stdout);
    ended.stdout
}

/// Returns the lines that are not comments.
fn code(text: &str) -> String {
    let code = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    code.map(|line| format!("{line}\n")).collect()
}

#[track_caller]
fn contains(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in\n{text}");
    }
}

#[test]
fn terraform_has_a_provider_configuration_for_each_account() {
    let stage = stage_with(None);
    let text = code(&printed(&stage, "terraform", &CHAIN));
    for account in ["111111111111", "222222222222", "333333333333"] {
        contains(
            &text,
            &[&format!(
                "provider \"aws\" {{\n  alias               = \"account_{account}\"\n  allowed_account_ids = [\"{account}\"]\n}}\n"
            )],
        );
    }
    contains(
        &text,
        &[
            "  url            = \"https://oidc.example.com/id/ABCDEF\"\n  client_id_list = [\"sts.amazonaws.com\"]\n",
            "\"oidc.example.com/id/ABCDEF:sub\": \"system:serviceaccount:shop:checkout\"",
            "  depends_on = [aws_iam_openid_connect_provider.cluster_111111111111]\n",
            "  depends_on = [aws_iam_role.account_b_role]\n",
            "\"sts:TagSession\",\n          \"sts:SetSourceIdentity\"\n",
            "\"sts:ExternalId\": \"shared/word\"",
            "  role     = aws_iam_role.account_a_role.name\n",
        ],
    );
    let direct = printed(&stage, "terraform", &["--direct", "--chain-role-arn", ROLE_B]);
    contains(&direct, &["# With --direct, "]);
}

#[test]
fn cloudformation_templates_are_ordered_by_their_trust() {
    let stage = stage_with(None);
    let text = printed(&stage, "cloudformation", &["--chain-role-arn", ROLE_B, "--chain-role-arn", ROLE_D]);
    // The third role trusts the second, so the first account needs a second template.
    let templates: Vec<&str> = text.split("\n---\n").skip(1).collect();
    assert_eq!(templates.len(), 3, "{text}");
    contains(
        templates[0],
        &["# account 111111111111: template 1 of 3", "  OidcProvider111111111111:\n", "  RoleAccountARole:\n"],
    );
    contains(templates[1], &["# account 222222222222: template 2 of 3", "  RoleAccountBRole:\n"]);
    let words = ["# account 111111111111: template 3 of 3", "--stack-name credvend-2 ", "      Path: \"/team/\"\n"];
    contains(templates[2], &words);
    assert!(!templates[2].contains("OidcProvider"), "{text}");

    let of_b = ["--chain-role-arn", ROLE_B, "--chain-role-arn", ROLE_D, "--account", "222222222222"];
    let text = printed(&stage, "cloudformation", &of_b);
    contains(&text, &["template 2 of 3"]);
    assert!(!text.contains("template 1 of 3") && !text.contains("template 3 of 3"), "{text}");
}

#[test]
fn eksctl_has_the_role_of_the_service_account_and_comments_for_the_rest() {
    let stage = eks_stage();
    let text = printed(&stage, "eksctl", &["--chain-role-arn", ROLE_B]);
    contains(
        &code(&text),
        &[
            "  region: eu-central-1\n",
            "    - metadata:\n        name: \"checkout\"\n        namespace: \"shop\"\n      roleName: \"account-a-role\"\n",
            "      attachPolicy: {\n",
            &format!("            \"Resource\": \"{ROLE_B}\"\n"),
        ],
    );
    contains(
        &text,
        &[
            &format!("# {ROLE_B} in eksctl: the role trusts another role, not a service account\n"),
            &format!("# trust policy of {ROLE_B}"),
            "# aws iam update-assume-role-policy --role-name account-b-role",
        ]
        .map(|words| words.trim_start_matches("# ")),
    );
    assert!(!code(&text).contains("account-b-role/"), "{text}");

    let reasons = |stage: &Stage, arguments: &[&str], reason: &str| {
        let text = printed(stage, "eksctl", arguments);
        contains(&text, &[reason, "  serviceAccounts: []\n", "# trust policy of "]);
    };
    reasons(&stage, &["--namespace-wide"], "a role cannot trust a whole namespace");
    reasons(&stage, &["--direct", "--role-arn", ROLE_D], "a role cannot have a path");
    reasons(&stage, &["--direct", "--chain-role-arn", ROLE_B], "a role is always in the account of the cluster");
    reasons(&stage_with(None), &[], "the issuer of the token is not an EKS cluster");
    stage.renew_token(&Claims { audience: vec!["other".into()], ..Claims::service_account("shop", "checkout") });
    reasons(&stage, &[], "the audience is always sts.amazonaws.com");
    // Without a chained role, eksctl needs a policy that credvend does not know.
    stage.renew_token(&Claims::service_account("shop", "checkout"));
    contains(
        &printed(&stage, "eksctl", &[]),
        &["add attachPolicyARNs or attachPolicy", "roleName: \"account-a-role\""],
    );
}

#[test]
fn claims_cannot_change_the_structure_of_a_format() {
    let stage = eks_stage();
    let hostile =
        "x\"\n- evil: ${file(\"/etc/passwd\")} %{if true}\r\u{85}\u{2028}\u{feff}\u{ffff}\u{1b}[2J\\\" # '}}]";
    let with_subject = |subject: &str| {
        stage.renew_token(&Claims { subject: Some(subject.into()), ..Claims::service_account("shop", "checkout") });
        FORMATS.map(|format| printed(&stage, format, &["--chain-role-arn", ROLE_B]))
    };
    let service_account = |name: &str| format!("system:serviceaccount:shop:{name}");
    let harmless = with_subject(&service_account("harmless"));
    for (harmless, changed) in harmless.iter().zip(with_subject(&service_account(hostile))) {
        assert_eq!(changed.lines().count(), harmless.lines().count(), "{changed}");
        assert!(changed.chars().all(|c| c == '\n' || !c.is_control()), "{changed:?}");
        assert!(!code(&changed).contains("${") && !code(&changed).contains("%{"), "{changed}");
        for (changed, harmless) in changed.lines().zip(harmless.lines()) {
            let (start, _) = harmless.split_once("harmless").unwrap_or((harmless, ""));
            assert!(changed.starts_with(start), "{changed:?} instead of {harmless:?}");
        }
    }
    // CloudFormation has no way to escape its references.
    stage.renew_token(&Claims {
        subject: Some("{{resolve:secretsmanager:other}}".into()),
        ..Claims::service_account("shop", "checkout")
    });
    let ended = stage.credvend(&["trust-policy", "--format", "cloudformation"]).end();
    ended.failed(2, &["{{resolve:", "another format"]);
}

#[test]
fn account_selects_the_resources_of_one_account() {
    let stage = stage_with(None);
    let of = |account: &str| {
        let arguments = ["trust-policy", "--format", "json", "--account", account];
        printed_json(&stage, stage.credvend(&[&arguments[..], &CHAIN].concat()))
    };
    let parts = ["111111111111", "222222222222", "333333333333"].map(of);
    for (part, (role_arn, count)) in parts.iter().zip([(ROLE_A, 2), (ROLE_B, 2), (ROLE_C, 1)]) {
        let documents = part["documents"].as_array().expect("a JSON array");
        assert_eq!(documents.len(), count);
        assert!(documents.iter().all(|document| document["role_arn"] == role_arn), "{part}");
    }
    assert_eq!(
        parts.each_ref().map(|part| part["identity_providers"].as_array().map(Vec::len)),
        [Some(1), Some(0), Some(0)]
    );
    for format in FORMATS {
        let text = printed(&stage, format, &[&CHAIN[..], &["--account", "222222222222"]].concat());
        contains(&text, &["account-b-role"]);
        assert!(!text.contains(&format!("account {}", "111111111111")), "{text}");
    }
    let unknown = ["trust-policy", "--account", "444444444444", "--chain-role-arn", ROLE_B];
    stage.credvend(&unknown).end().failed(2, &["--account 444444444444", "111111111111, 222222222222"]);
}

#[test]
fn tokens_with_other_audiences_share_an_identity_provider() {
    let stage = stage_with(None);
    stage.write(
        "other",
        &stage.sts.mint(&Claims { audience: vec!["other".into()], ..Claims::service_account("shop", "checkout") }),
    );
    let config = format!(
        "[profile a]\nrole_arn = {ROLE_A}\nweb_identity_token_file = TOKEN\n[profile d]\nrole_arn = {ROLE_D}\n\
         web_identity_token_file = {}\n",
        stage.path("other").display()
    );
    let setup =
        printed_json(&stage, stage.with_config(&["trust-policy", "--all-profiles", "--format", "json"], &config));
    let url = "https://oidc.example.com/id/ABCDEF";
    let provider = json!({"account_id": "111111111111", "url": url, "client_ids": ["sts.amazonaws.com", "other"]});
    assert_eq!(setup["identity_providers"], json!([provider]));
}

#[test]
fn note_about_a_placeholder_is_in_every_format() {
    let stage = Stage::new();
    let config = format!(
        "[default]\nrole_arn = {ROLE_A}\nsource_profile = keys\n[profile keys]\naws_access_key_id = AKIAX\naws_secret_access_key = hidden\n"
    );
    for format in FORMATS {
        let text = stage.with_config(&["trust-policy", "--format", format], &config).end().succeeded().stdout;
        contains(&text, &["placeholder", "arn:aws:iam::111111111111:root"]);
    }
}
