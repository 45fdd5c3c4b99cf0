use std::time::Duration;

use super::{assert_chained, date, role_a, role_b_of};
use crate::support::{BaseServer, Credvend, Stage};

fn document(stage: &Stage) -> String {
    let document = role_a(stage);
    serde_json::json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2030-01-01T00:00:00Z",
        "AccessKeyId": document["AccessKeyId"], "SecretAccessKey": document["SecretAccessKey"],
        "Token": document["SessionToken"], "Expiration": document["Expiration"],
    })
    .to_string()
}

fn export(stage: &Stage, url: &str) -> Credvend {
    let run = stage.with_config(&["export", "--log-level", "trace"], &role_b_of("Ec2InstanceMetadata"));
    run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", url).arg("--timeout").arg("2s")
}

#[test]
fn the_node_s_role_is_a_base() {
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

    // The profile's own key does as well; the variable outranks it.
    let key = format!("{}ec2_metadata_service_endpoint = {}\n", role_b_of("Ec2InstanceMetadata"), service.url());
    stage.with_config(&["export"], &key).end().succeeded();
    let config = stage.with_config(&["export", "--timeout", "1s"], &key);
    config.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1").end().failed(5, &["hop-limit"]);
}

#[test]
fn a_token_that_is_no_longer_taken_is_made_anew_once() {
    let stage = Stage::new();
    let service = BaseServer::instance_metadata(document(&stage), 1);
    export(&stage, &service.url()).end().succeeded();
    assert_eq!(service.requests().len(), 5);
    let service = BaseServer::instance_metadata(document(&stage), 9);
    export(&stage, &service.url()).end().failed(4, &["HTTP 401"]);
    assert_eq!(service.requests().len(), 4);
}

#[test]
fn version_1_is_never_spoken() {
    let stage = Stage::new();
    for status in [400, 403, 404, 405] {
        let service = BaseServer::start(move |_, _| (status, String::new()));
        export(&stage, &service.url()).end().failed(4, &["version 2", &format!("HTTP {status}")]);
        assert_eq!(service.requests().len(), 1);
    }
}

#[test]
fn what_the_service_cannot_give_is_told() {
    let stage = Stage::new();
    let failed = r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"EC2 cannot assume the role"}"#;
    let service = BaseServer::instance_metadata(failed.into(), 0);
    export(&stage, &service.url()).end().failed(4, &["hop 1", "EC2 cannot assume the role"]);
    let old = document(&stage).replace(&date(Duration::ZERO)[..4], "2020");
    let service = BaseServer::instance_metadata(old, 0);
    export(&stage, &service.url()).end().failed(5, &["expired at 2020"]);
    for (role, code, word) in [((404, ""), 4, "instance profile"), ((200, "../role"), 5, "no valid role name")] {
        let service = BaseServer::start(move |number, _| match number {
            number if number % 2 == 0 => (200, "token".into()),
            _ => (role.0, role.1.into()),
        });
        export(&stage, &service.url()).end().failed(code, &[word]);
    }
}

#[test]
fn credvend_s_own_metadata_service_is_no_node() {
    let stage = Stage::new();
    let run = ["run", "--listen", "127.0.0.1:0", "--imds-listen", "127.0.0.1:9912"];
    let run = stage.with_config(&run, &role_b_of("Ec2InstanceMetadata"));
    let ended = run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9912").end();
    ended.failed(2, &["profile default", "own --imds-listen 127.0.0.1:9912"]);
}
