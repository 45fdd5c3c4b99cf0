//! Log lines and the last line on stderr.

mod blocked_stderr;
mod injection;

use local_sts::Fault;

use crate::support::{ROLE_B, Stage, get};

#[test]
fn json_log_has_one_line_per_exchange_attempt() {
    let stage = Stage::new();
    stage.fault(Fault::throttle());
    let ended = stage
        .credvend(&["export", "--chain-role-arn", ROLE_B, "--log-format", "json", "--log-level", "info"])
        .end()
        .succeeded();
    let lines: Vec<serde_json::Value> =
        ended.stderr.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect();
    let requests = stage.sts.requests();
    assert_eq!(lines[0]["message"], "exchange failed");
    for (line, (hop, attempt)) in lines[1..].iter().zip([(1, 2), (2, 1)]) {
        assert_eq!((&line["message"], &line["level"]), (&"credentials obtained".into(), &"INFO".into()));
        assert_eq!((&line["hop"], &line["attempt"]), (&hop.into(), &attempt.into()));
        assert_eq!(line["profile"], "default");
        assert_eq!(line["request_id"], requests[usize::try_from(hop).expect("a small number")].request_id.as_str());
        assert!(line["role_arn"].as_str().is_some_and(|arn| arn.starts_with("arn:aws:iam::")));
        assert!(line["expiry"].as_str().is_some_and(|expiry| expiry.ends_with('Z')));
    }
    assert_eq!(lines.len(), 3);
}

#[test]
fn failure_is_the_last_line_in_json_at_any_level() {
    let stage = Stage::new();
    for level in ["off", "trace"] {
        stage.fault(Fault::error("AccessDenied", 403, "Not authorized\nto do this"));
        let ended = stage.credvend(&["export", "--log-format", "json", "--log-level", level]).end();
        ended.failed(4, &["AccessDenied", "Not authorized to do this", "\"exit_code\":4"]);
    }
    let quiet = stage.credvend(&["export", "--log-level", "off"]).env("AWS_ROLE_ARN", "wrong").end();
    assert_eq!((quiet.code, quiet.stderr.lines().count()), (Some(2), 1));
}

#[test]
fn secrets_are_not_logged_at_any_level() {
    let stage = Stage::new();
    let run = stage
        .credvend(&["run", "--listen", "127.0.0.1:0", "--log-level", "trace", "--chain-role-arn", ROLE_B])
        .env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization"))
        .env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials"))
        .start();
    run.line(&["credentials file written"]);
    let authorization = stage.read("authorization");
    let header = format!("Authorization: {authorization}");
    assert_eq!(get(run.address(), "/v1/credentials", &[&header]).status, 200);
    assert_eq!(get(run.address(), "/v1/credentials", &["Authorization: wrong"]).status, 401);
    let log = run.terminate().succeeded().stderr;
    stage.refuse_leaks(&log);
    assert!(!log.contains(&authorization) && log.contains("request rejected"));
}
