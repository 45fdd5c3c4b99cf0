use std::{
    fs::Permissions,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

use ini::Ini;

use crate::support::{Credvend, ROLE_A, ROLE_B, Signal, Stage, get};

#[test]
fn each_profile_gets_a_credential_process_for_the_endpoint() {
    let stage = Stage::new();
    let path = stage.path("shared-config");
    let run = stage
        .with_config(
            &["run", "--listen", "127.0.0.1:0", "--all-profiles", "--config-file-binary", "/shared/credvend"],
            crate::profiles::CROSS_ACCOUNT,
        )
        .env("CREDVEND_CONFIG_FILE", &path)
        .env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization"))
        .start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    let text = stage.read("shared-config");
    let ini = Ini::load_from_str(&text).expect("parse INI");
    let token = stage.path("authorization");
    for name in ["account_a_role", "account_b_role"] {
        let section = ini.section(Some(format!("profile {name}"))).expect("a section for the profile");
        let expected = format!(
            "/shared/credvend process --from-endpoint http://{address}/v1/credentials/{} --timeout 20s --auth-token-file {}",
            name,
            token.display()
        );
        assert_eq!(section.get("credential_process"), Some(expected.as_str()));
        assert_eq!(section.get("region"), Some("eu-central-1"));
    }
    stage.refuse_leaks(&text);
    // The command works in an application whose AWS_PROFILE is the profile that contains it.
    let command = ini.get_from(Some("profile account_b_role"), "credential_process").expect("a credential_process");
    let arguments: Vec<_> = command.split(' ').skip(1).collect();
    let ended = Credvend::new(&arguments).env("AWS_PROFILE", "account_b_role").env("AWS_CONFIG_FILE", &path).end();
    assert!(ended.succeeded().stdout.contains("\"AccountId\":\"222222222222\""));

    // After a reload the file holds the new profiles.
    let token = stage.tokens.token_file();
    stage.write("config", &format!("[default]\nrole_arn={ROLE_A}\nweb_identity_token_file={}\n[profile x]\nrole_arn={ROLE_B}\nsource_profile=default\n", token.display()));
    run.signal(Signal::HUP);
    run.line(&["configuration reloaded"]);
    run.line(&["credentials obtained", "profile=x"]);
    let ini = Ini::load_from_str(&stage.read("shared-config")).expect("parse INI");
    let names: Vec<_> = ini.sections().flatten().collect();
    assert_eq!(names, ["default", "profile x"]);
}

#[test]
fn file_that_credvend_did_not_write_is_never_replaced() {
    let stage = Stage::new();
    let path = stage.write("shared-config", "[default]\nregion = eu-west-1\n");
    // Neither the content nor the mode may change. The mode differs from credvend's default.
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("set mode");
    let before = std::fs::metadata(&path).expect("read metadata");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--config-file"]).arg(&path);
    run.end().failed(6, &["shared-config", "did not write it"]);
    assert_eq!(stage.read("shared-config"), "[default]\nregion = eu-west-1\n");
    let after = std::fs::metadata(&path).expect("read metadata");
    assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
}

#[test]
fn path_that_needs_quoting_and_missing_listener_are_refused() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--config-file-binary", "/my files/credvend"]);
    run.env("CREDVEND_CONFIG_FILE", stage.path("shared-config")).end().failed(6, &["quoting"]);
    let run = stage.credvend(&["run", "--listen", "none", "--credentials-file"]).arg(stage.path("credentials"));
    run.env("CREDVEND_CONFIG_FILE", stage.path("shared-config")).end().failed(2, &["--config-file", "--listen"]);
}

#[test]
fn failed_write_after_a_reload_is_retried_and_counted() {
    let stage = Stage::new();
    let token = stage.tokens.token_file();
    let config = |profile: &str| {
        format!("[profile {profile}]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {}\n", token.display())
    };
    std::fs::create_dir(stage.path("shared")).expect("create directory");
    let arguments = ["run", "--listen", "127.0.0.1:0", "--all-profiles", "--admin-listen", "127.0.0.1:0"];
    let run = stage.with_config(&arguments, &config("one")).env("CREDVEND_CONFIG_FILE", stage.path("shared/config"));
    let run = run.start();
    run.line(&["credentials obtained"]);

    std::fs::rename(stage.path("shared"), stage.path("away")).expect("rename directory");
    stage.write("config", &config("two"));
    run.signal(Signal::HUP);
    let line = run.line(&["config file not written", "retry_after"]);
    assert!(line.contains("shared/config"), "{line}");
    let admin = run.line(&["listening for probes"]);
    let admin = admin.split("http://").nth(1).and_then(|url| url.split('/').next()).expect("an address");
    let metrics = get(admin.parse().expect("an address"), "/metrics", &[]).body;
    assert!(metrics.contains("credvend_sink_failures_total{sink=\"config_file\"} 1"), "{metrics}");

    std::fs::rename(stage.path("away"), stage.path("shared")).expect("rename directory");
    run.line(&["config file written"]);
    let text = stage.read("shared/config");
    assert!(text.contains("[profile two]") && !text.contains("[profile one]"), "{text}");
}
