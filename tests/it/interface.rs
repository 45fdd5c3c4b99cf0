//! One test for each flag, named after it: the flag and its environment variable have the same effect.

use crate::support::{Credvend, Ended, ROLE_A, ROLE_B, Running, Signal, Stage, get};

/// Calls `assert` with `command` and the flag, then with `command` and the variable, each on a new stage.
fn by_flag_and_variable(
    command: &[&str],
    (flag, variable): (&str, &str),
    value: impl Fn(&Stage) -> String,
    assert: impl Fn(&Stage, Credvend),
) {
    for by_flag in [true, false] {
        let stage = Stage::new();
        let value = value(&stage);
        let credvend = stage.credvend(command);
        assert(&stage, if by_flag { credvend.arg(flag).arg(&value) } else { credvend.env(variable, &value) });
    }
}

/// Asserts that the flag and the variable both set a form field of the last request to STS.
fn assert_sent(command: &[&str], names: (&str, &str), value: &str, field: &str, expected: &str) {
    by_flag_and_variable(
        command,
        names,
        |_| value.to_owned(),
        |stage, credvend| {
            credvend.end();
            let sent = stage.sts.requests().pop().and_then(|request| request.parameters.get(field).cloned());
            assert_eq!(sent.as_deref(), Some(expected), "{names:?}");
        },
    );
}

const EXPORT: &[&str] = &["export"];
const CHAINED: &[&str] = &["export", "--chain-role-arn", ROLE_B];
const RUN: &[&str] = &["run", "--listen", "127.0.0.1:0"];

/// Starts `run` and waits for the first credentials.
fn start(credvend: Credvend) -> Running {
    let run = credvend.start();
    run.line(&["credentials obtained"]);
    run
}

#[test]
fn role_arn() {
    assert_sent(EXPORT, ("--role-arn", "AWS_ROLE_ARN"), ROLE_B, "RoleArn", ROLE_B);
}

#[test]
fn web_identity_token_file() {
    let claims =
        local_sts::Claims { pod_name: "other".into(), ..local_sts::Claims::service_account("shop", "checkout") };
    by_flag_and_variable(
        EXPORT,
        ("--web-identity-token-file", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        |stage| stage.write("other-token", &stage.sts.mint(&claims)).display().to_string(),
        |stage, credvend| {
            credvend.end().succeeded();
            assert_eq!(stage.sts.requests()[0].parameters["RoleSessionName"], "shop-other");
        },
    );
}

#[test]
fn role_session_name() {
    let names = ("--role-session-name", "AWS_ROLE_SESSION_NAME");
    assert_sent(EXPORT, names, "nightly", "RoleSessionName", "nightly");
    assert_sent(CHAINED, names, "nightly", "RoleSessionName", "nightly");
}

#[test]
fn duration() {
    let names = ("--duration", "CREDVEND_DURATION");
    assert_sent(EXPORT, names, "20m", "DurationSeconds", "1200");
    assert_sent(CHAINED, names, "900", "DurationSeconds", "900");
}

#[test]
fn chain_role_arn() {
    let names = ("--chain-role-arn", "CREDVEND_CHAIN_ROLE_ARNS");
    assert_sent(EXPORT, names, ROLE_B, "RoleArn", ROLE_B);
    let stage = Stage::new();
    let role_c = "arn:aws:iam::222222222222:role/account-c-role";
    let ended = stage.credvend(EXPORT).env(names.1, format!("{ROLE_B},{role_c}")).end();
    ended.failed(4, &["hop 3", role_c]);
    assert_eq!(stage.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole", "AssumeRole"]);
}

#[test]
fn external_id() {
    assert_sent(CHAINED, ("--external-id", "CREDVEND_EXTERNAL_ID"), "shared:word", "ExternalId", "shared:word");
}

#[test]
fn policy() {
    let names = ("--policy", "CREDVEND_POLICY");
    let document = r#"{"Statement":[],"Version":"2012-10-17"}"#;
    assert_sent(CHAINED, names, r#"{ "Statement": [], "Version": "2012-10-17" }"#, "Policy", document);
    by_flag_and_variable(
        EXPORT,
        names,
        |stage| format!("@{}", stage.write("policy.json", document).display()),
        |stage, credvend| {
            credvend.end();
            assert_eq!(stage.sts.requests()[0].parameters["Policy"], document);
        },
    );
}

#[test]
fn policy_arn() {
    let arn = "arn:aws:iam::aws:policy/ReadOnlyAccess";
    assert_sent(CHAINED, ("--policy-arn", "CREDVEND_POLICY_ARNS"), arn, "PolicyArns.member.1.arn", arn);
}

#[test]
fn session_tag() {
    let names = ("--session-tag", "CREDVEND_SESSION_TAGS");
    assert_sent(CHAINED, names, "team=shop", "Tags.member.1.Value", "shop");
    for (number, (key, value)) in (1..).zip([
        ("kubernetes-namespace", "shop"),
        ("kubernetes-service-account", "checkout"),
        ("kubernetes-pod-name", "checkout-7d4b9c6f5d-x2v8q"),
    ]) {
        assert_sent(CHAINED, names, "pod", &format!("Tags.member.{number}.Key"), key);
        assert_sent(CHAINED, names, "pod", &format!("Tags.member.{number}.Value"), value);
    }
}

#[test]
fn transitive_tag() {
    let command = [CHAINED, &["--session-tag", "team=shop"]].concat();
    assert_sent(
        &command,
        ("--transitive-tag", "CREDVEND_TRANSITIVE_TAGS"),
        "team",
        "TransitiveTagKeys.member.1",
        "team",
    );
}

#[test]
fn source_identity() {
    assert_sent(CHAINED, ("--source-identity", "CREDVEND_SOURCE_IDENTITY"), "ops", "SourceIdentity", "ops");
}

#[test]
fn region() {
    for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        for by_flag in [true, false] {
            let stage = Stage::new();
            let credvend = stage.credvend(CHAINED).without("AWS_REGION");
            let credvend =
                if by_flag { credvend.arg("--region").arg("eu-south-2") } else { credvend.env(variable, "eu-south-2") };
            assert!(credvend.end().succeeded().stdout.contains("AWS_REGION='eu-south-2'"));
            let authorization = stage.sts.requests()[1].headers["authorization"].clone();
            assert!(authorization.contains("/eu-south-2/sts/aws4_request"), "{authorization}");
        }
    }
}

#[test]
fn sts_fallback_region() {
    for by_flag in [true, false] {
        let stage = Stage::new();
        let credvend = stage.credvend(&["check", "--offline", "--format", "json"]).without("AWS_ENDPOINT_URL_STS");
        let credvend = match by_flag {
            true => ["eu-west-1", "eu-west-2"]
                .into_iter()
                .fold(credvend, |credvend, region| credvend.arg("--sts-fallback-region").arg(region)),
            false => credvend.env("CREDVEND_STS_FALLBACK_REGIONS", "eu-west-1,eu-west-2"),
        };
        let json: serde_json::Value = serde_json::from_str(&credvend.end().succeeded().stdout).expect("JSON");
        let regions = &json["profiles"][0]["hops"][0]["sts_fallback_regions"];
        assert_eq!(*regions, serde_json::json!(["eu-west-1", "eu-west-2"]));
    }
}

#[test]
fn config_and_profile() {
    let token = |stage: &Stage| stage.tokens.token_file().display().to_string();
    let config = |stage: &Stage| {
        format!(
            "[profile app]\nrole_arn={ROLE_A}\nweb_identity_token_file={}\nrole_session_name=from-profile\n",
            token(stage)
        )
    };
    for by_flag in [true, false] {
        let stage = Stage::new();
        let path = stage.write("some-config", &config(&stage));
        let credvend = stage.bare(EXPORT);
        let credvend = if by_flag {
            credvend.arg("--config").arg(&path).arg("--profile").arg("app")
        } else {
            credvend.env("AWS_CONFIG_FILE", &path).env("AWS_PROFILE", "app")
        };
        credvend.end().succeeded();
        assert_eq!(stage.sts.requests()[0].parameters["RoleSessionName"], "from-profile");
    }
}

#[test]
fn listen() {
    by_flag_and_variable(
        &["run"],
        ("--listen", "CREDVEND_LISTEN"),
        |_| "127.0.0.3:0".into(),
        |_, credvend| {
            assert_eq!(credvend.start().address().ip().to_string(), "127.0.0.3");
        },
    );
}

#[test]
fn auth_token_file() {
    let path = |stage: &Stage| stage.path("token-of-endpoint").display().to_string();
    by_flag_and_variable(RUN, ("--auth-token-file", "CREDVEND_AUTH_TOKEN_FILE"), path, |stage, credvend| {
        let run = start(credvend);
        assert_eq!(get(run.address(), "/v1/credentials", &[]).status, 401);
        assert_eq!(stage.read("token-of-endpoint").len(), 43);
    });
}

#[test]
fn auth_token_dir() {
    let path = |stage: &Stage| {
        std::fs::create_dir(stage.path("tokens-of-endpoint")).expect("create directory");
        stage.path("tokens-of-endpoint").display().to_string()
    };
    by_flag_and_variable(RUN, ("--auth-token-dir", "CREDVEND_AUTH_TOKEN_DIR"), path, |stage, credvend| {
        let _run = start(credvend);
        assert_eq!(stage.read("tokens-of-endpoint/default").len(), 43);
    });
}

#[test]
fn auth_token_optional() {
    for by_flag in [true, false] {
        let stage = Stage::new();
        let credvend = stage.credvend(RUN).env("CREDVEND_AUTH_TOKEN_FILE", stage.path("token-of-endpoint"));
        let run = start(match by_flag {
            true => credvend.arg("--auth-token-optional"),
            false => credvend.env("CREDVEND_AUTH_TOKEN_OPTIONAL", "true"),
        });
        let status = |headers: &[&str]| get(run.address(), "/v1/credentials", headers).status;
        let header = format!("Authorization: {}", stage.read("token-of-endpoint"));
        assert_eq!((status(&[]), status(&[&header])), (200, 200));
        assert_eq!((status(&["Authorization: wrong"]), status(&[&header, &header])), (401, 401));
    }
}

#[test]
fn credentials_file() {
    let path = |stage: &Stage| stage.path("credentials").display().to_string();
    by_flag_and_variable(
        &["run", "--once"],
        ("--credentials-file", "CREDVEND_CREDENTIALS_FILE"),
        path,
        |stage, credvend| {
            credvend.end().succeeded();
            assert!(stage.read("credentials").contains("[default]\n"));
        },
    );
}

#[test]
fn credentials_profile() {
    by_flag_and_variable(
        &["run", "--once"],
        ("--credentials-profile", "CREDVEND_CREDENTIALS_PROFILE"),
        |_| "vended".into(),
        |stage, credvend| {
            credvend.env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials")).end().succeeded();
            assert!(stage.read("credentials").contains("[vended]\n"));
        },
    );
}

#[test]
fn file_mode() {
    by_flag_and_variable(
        &["run", "--once"],
        ("--file-mode", "CREDVEND_FILE_MODE"),
        |_| "0644".into(),
        |stage, credvend| {
            credvend.env("CREDVEND_CREDENTIALS_FILE", stage.path("credentials")).end().succeeded();
            let mode = std::fs::metadata(stage.path("credentials")).expect("read metadata").permissions();
            assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o644);
        },
    );
}

#[test]
fn admin_listen() {
    by_flag_and_variable(
        RUN,
        ("--admin-listen", "CREDVEND_ADMIN_LISTEN"),
        |_| "127.0.0.1:0".into(),
        |_, credvend| {
            let run = start(credvend);
            assert_eq!(get(run.admin_address(), "/healthz", &[]).status, 200);
            assert_eq!(get(run.admin_address(), "/metrics", &[]).status, 200);
        },
    );
}

#[test]
fn drain() {
    by_flag_and_variable(
        RUN,
        ("--drain", "CREDVEND_DRAIN"),
        |_| "1h".into(),
        |_, credvend| {
            let mut run = start(credvend);
            run.signal(Signal::TERM);
            run.line(&["shutting down", "drain=3600s"]);
            assert!(run.is_running());
        },
    );
}

#[test]
fn log_format_and_log_level() {
    by_flag_and_variable(
        EXPORT,
        ("--log-format", "CREDVEND_LOG_FORMAT"),
        |_| "json".into(),
        |_, credvend| {
            let ended: Ended = credvend.env("CREDVEND_LOG", "info").end().succeeded();
            assert!(ended.stderr.starts_with('{') && ended.stderr.contains("credentials obtained"));
        },
    );
    by_flag_and_variable(
        EXPORT,
        ("--log-level", "CREDVEND_LOG"),
        |_| "info".into(),
        |_, credvend| {
            assert!(credvend.end().succeeded().stderr.contains("credentials obtained"));
        },
    );
}

#[test]
fn config_file() {
    let path = |stage: &Stage| stage.path("shared-config").display().to_string();
    by_flag_and_variable(RUN, ("--config-file", "CREDVEND_CONFIG_FILE"), path, |stage, credvend| {
        let _run = start(credvend);
        assert!(stage.read("shared-config").contains("[default]\ncredential_process = "));
    });
}

#[test]
fn imds_listen() {
    by_flag_and_variable(
        RUN,
        ("--imds-listen", "CREDVEND_IMDS_LISTEN"),
        |_| "127.0.0.1:0".into(),
        |_, credvend| {
            start(credvend).line(&["listening as instance metadata service"]);
        },
    );
}

#[test]
fn on_write() {
    by_flag_and_variable(
        RUN,
        ("--on-write", "CREDVEND_ON_WRITE"),
        |_| "/bin/echo 'a b'".into(),
        |_, credvend| {
            start(credvend).line(&["command of --on-write succeeded", "profile=\"default\"", "output=\"a b\""]);
        },
    );
}

#[test]
fn signal() {
    by_flag_and_variable(
        RUN,
        ("--signal", "CREDVEND_SIGNAL"),
        |_| "no-such-program:HUP".into(),
        |_, credvend| {
            start(credvend).line(&["no process to signal", "no-such-program"]);
        },
    );
}
