use std::time::Duration;

use super::{assert_chained, date_in, role_a_document, role_b_from};
use crate::support::{BaseServer, Credvend, Stage};

/// Returns role A's credentials as the instance metadata service formats them.
fn document(stage: &Stage) -> String {
    let document = role_a_document(stage);
    serde_json::json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2030-01-01T00:00:00Z",
        "AccessKeyId": document["AccessKeyId"], "SecretAccessKey": document["SecretAccessKey"],
        "Token": document["SessionToken"], "Expiration": document["Expiration"],
    })
    .to_string()
}

fn export(stage: &Stage, url: &str) -> Credvend {
    let run = stage.with_config(&["export", "--log-level", "trace"], &role_b_from("Ec2InstanceMetadata"));
    run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url).arg("--timeout").arg("2s")
}

#[test]
fn chain_starts_with_the_role_of_the_node() {
    let stage = Stage::new();
    let service = BaseServer::instance_metadata(document(&stage), 0);
    let by_name = service.url().replace("127.0.0.1", "localhost") + "/";
    let ended = export(&stage, &by_name).env("HTTP_PROXY", "http://127.0.0.1:9");
    let ended = ended.env("NO_PROXY", "127.0.0.1").end().succeeded();
    assert_chained(&stage, &ended);
    assert!(!ended.stderr.contains("version-two-token"));
    let lines: Vec<_> = service.requests().into_iter().map(|request| request.line).collect();
    let roles = "GET /latest/meta-data/iam/security-credentials/";
    let expected = ["PUT /latest/api/token", roles, &format!("{roles}node-role")];
    assert_eq!(lines, expected.map(|line| format!("{line} HTTP/1.1")));

    // The key of the profile also sets the endpoint. The variable takes precedence.
    let with_key = format!("{}ec2_metadata_service_endpoint = {}\n", role_b_from("Ec2InstanceMetadata"), service.url());
    stage.with_config(&["export"], &with_key).end().succeeded();
    let export = stage.with_config(&["export", "--timeout", "1s"], &with_key);
    export.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1").end().failed(5, &["hop-limit"]);
}

#[test]
fn rejected_metadata_token_is_replaced_once() {
    let stage = Stage::new();
    let service = BaseServer::instance_metadata(document(&stage), 1);
    export(&stage, &service.url()).end().succeeded();
    assert_eq!(service.requests().len(), 5);
    let service = BaseServer::instance_metadata(document(&stage), 9);
    export(&stage, &service.url()).end().failed(4, &["HTTP 401"]);
    assert_eq!(service.requests().len(), 4);
}

#[test]
fn imds_version_1_is_never_used() {
    let stage = Stage::new();
    for status in [400, 403, 404, 405] {
        let service = BaseServer::start(move |_, _| (status, String::new()));
        export(&stage, &service.url()).end().failed(4, &["version 2", &format!("HTTP {status}")]);
        assert_eq!(service.requests().len(), 1);
    }
}

#[test]
fn errors_of_the_metadata_service_are_reported() {
    let stage = Stage::new();
    let failure = r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}"#;
    let service = BaseServer::instance_metadata(failure.into(), 0);
    export(&stage, &service.url()).end().failed(4, &["hop 1", "EC2 cannot assume the role"]);
    let expired = document(&stage).replace(&date_in(Duration::ZERO)[..4], "2020");
    let service = BaseServer::instance_metadata(expired, 0);
    export(&stage, &service.url()).end().failed(5, &["expired at 2020"]);
    for ((status, role), code, word) in
        [((404, ""), 4, "instance profile"), ((200, "../role"), 5, "returned no valid role name")]
    {
        let service = BaseServer::start(move |number, _| match number {
            number if number % 2 == 0 => (200, "token".into()),
            _ => (status, role.into()),
        });
        export(&stage, &service.url()).end().failed(code, &[word]);
    }
}

#[test]
fn own_metadata_service_as_the_base_is_refused() {
    let stage = Stage::new();
    let arguments = ["run", "--listen", "127.0.0.1:0", "--imds-listen", "127.0.0.1:9912"];
    let run = stage.with_config(&arguments, &role_b_from("Ec2InstanceMetadata"));
    let ended = run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9912").end();
    ended.failed(2, &["profile default", "own --imds-listen 127.0.0.1:9912"]);
}
