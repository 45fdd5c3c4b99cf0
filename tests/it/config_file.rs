use std::{
    fs::Permissions,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
};

use ini::Ini;

use crate::support::{Credvend, ROLE_A, ROLE_B, Signal, Stage};

#[test]
fn each_profile_asks_the_endpoint() {
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
    let ini = Ini::load_from_str(&text).expect("INI");
    let token = stage.path("authorization");
    for name in ["account_a_role", "account_b_role"] {
        let section = ini.section(Some(format!("profile {name}"))).expect("a section");
        let expected = format!(
            "/shared/credvend process --from-endpoint http://{address}/v1/credentials/{} --timeout 20s --auth-token-file {}",
            name,
            token.display()
        );
        assert_eq!(section.get("credential_process"), Some(expected.as_str()));
        assert_eq!(section.get("region"), Some("eu-central-1"));
    }
    stage.refuse_leaks(&text);
    // The line works, from an application that was told to use the profile which holds it.
    let line = ini.get_from(Some("profile account_b_role"), "credential_process").expect("a line");
    let words: Vec<_> = line.split(' ').skip(1).collect();
    let ended = Credvend::new(&words).env("AWS_PROFILE", "account_b_role").env("AWS_CONFIG_FILE", &path).end();
    assert!(ended.succeeded().stdout.contains("\"AccountId\":\"222222222222\""));

    // It follows the profiles.
    let token = stage.tokens.token_file();
    stage.write("config", &format!("[default]\nrole_arn={ROLE_A}\nweb_identity_token_file={}\n[profile x]\nrole_arn={ROLE_B}\nsource_profile=default\n", token.display()));
    run.signal(Signal::HUP);
    run.line(&["configuration reloaded"]);
    run.line(&["credentials obtained", "profile=x"]);
    let ini = Ini::load_from_str(&stage.read("shared-config")).expect("INI");
    let names: Vec<_> = ini.sections().flatten().collect();
    assert_eq!(names, ["default", "profile x"]);
}

#[test]
fn somebody_else_s_file_is_never_replaced() {
    let stage = Stage::new();
    let path = stage.write("shared-config", "[default]\nregion = eu-west-1\n");
    // Neither its content nor its mode, which is not ours.
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a mode");
    let before = std::fs::metadata(&path).expect("metadata");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--config-file"]).arg(&path);
    run.end().failed(6, &["shared-config", "did not write it"]);
    assert_eq!(stage.read("shared-config"), "[default]\nregion = eu-west-1\n");
    let after = std::fs::metadata(&path).expect("metadata");
    assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
}

#[test]
fn what_would_need_quoting_is_refused() {
    let stage = Stage::new();
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--config-file-binary", "/my files/credvend"]);
    run.env("CREDVEND_CONFIG_FILE", stage.path("shared-config")).end().failed(6, &["quoting"]);
    let run = stage.credvend(&["run", "--listen", "none", "--credentials-file"]).arg(stage.path("credentials"));
    run.env("CREDVEND_CONFIG_FILE", stage.path("shared-config")).end().failed(2, &["--config-file", "--listen"]);
}
