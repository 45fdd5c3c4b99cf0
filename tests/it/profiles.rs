use crate::support::{Credvend, ROLE_A, ROLE_B, Stage, get};

/// The two profiles of the documentation. `TOKEN` is a placeholder for the path of the token file.
pub(crate) const CROSS_ACCOUNT: &str = "\
[profile account_b_role]
source_profile = account_a_role
role_arn = arn:aws:iam::222222222222:role/account-b-role

[profile account_a_role]
web_identity_token_file = TOKEN
role_arn = arn:aws:iam::111111111111:role/account-a-role
";

#[test]
fn shared_first_hop_is_exchanged_once() {
    let stage = Stage::new();
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0", "--all-profiles"], CROSS_ACCOUNT).start();
    let address = run.address();
    run.lines(&["credentials obtained"], 2);
    let role = |path: &str| get(address, path, &[]).text("RoleArn");
    assert_eq!(role("/v1/credentials/account_a_role"), ROLE_A);
    assert_eq!(role("/v1/credentials/account_b_role"), ROLE_B);
    assert_eq!(role("/v1/credentials"), ROLE_B, "the first profile of the file");
    let mut actions = stage.actions();
    actions.sort();
    assert_eq!(actions, ["AssumeRole", "AssumeRoleWithWebIdentity"]);
    run.line(&["credentials obtained", "profile=account_b_role,account_a_role", "hop=1"]);
    run.line(&["credentials obtained", "profile=account_b_role ", "hop=2"]);
}

#[test]
fn profile_sets_session_name_duration_and_external_id() {
    let stage = Stage::new();
    let config = format!(
        "[default]\nsource_profile = a\nrole_arn = {ROLE_B}\nduration_seconds = 900\nexternal_id = shared/word\n\
         role_session_name = nightly\n[profile a]\nrole_arn = {ROLE_A}\nweb_identity_token_file = TOKEN\n"
    );
    stage.with_config(&["export"], &config).end().succeeded();
    let requests = stage.sts.requests();
    let [first, second] = &requests[..] else { panic!("not two calls") };
    assert!(first.parameters["RoleSessionName"].starts_with("shop-checkout-"));
    assert!(!first.parameters.contains_key("DurationSeconds"));
    let sent = ["RoleSessionName", "DurationSeconds", "ExternalId"].map(|name| second.parameters[name].as_str());
    assert_eq!(sent, ["nightly", "900", "shared/word"]);
    assert!(!first.headers.contains_key("authorization") && second.headers.contains_key("authorization"));
}

#[test]
fn chain_starts_with_static_keys() {
    let stage = Stage::new();
    let user = Stage::base_user();
    stage.write(
        ".aws/credentials",
        &format!(
            "[base]\naws_access_key_id={}\naws_secret_access_key={}\n",
            user.access_key_id, user.secret_access_key
        ),
    );
    let config = format!("[profile app]\nrole_arn = {ROLE_A}\nsource_profile = base\nduration_seconds = 3600\n");
    let ended = stage.with_config(&["export", "--profile", "app", "--log-level", "trace"], &config).end().succeeded();
    assert!(ended.stdout.contains("AWS_SESSION_TOKEN"));
    assert!(!ended.stderr.contains(&user.secret_access_key));
    assert_eq!(stage.actions(), ["AssumeRole"]);
    assert_eq!(stage.sts.requests()[0].parameters["RoleSessionName"], "credvend");
}

#[test]
fn written_credentials_file_is_not_a_source() {
    // credvend writes a section for each profile. The second run must not use these sections as static keys.
    let stage = Stage::new();
    let credentials = stage.path(".aws/credentials");
    std::fs::create_dir(stage.path(".aws")).expect("create directory");
    let run_once = || {
        let run = stage.with_config(&["run", "--once", "--all-profiles", "--credentials-file"], CROSS_ACCOUNT);
        run.arg(&credentials).end().succeeded();
    };
    run_once();
    run_once();
    let mut actions = stage.actions();
    actions.sort();
    assert_eq!(actions, ["AssumeRole", "AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRoleWithWebIdentity"]);
}

#[test]
fn profiles_override_role_variables_and_flags_override_profiles() {
    let stage = Stage::new();
    let requested_role = |command: Credvend| {
        let before = stage.sts.requests().len();
        command.end().succeeded();
        stage.sts.requests()[before].parameters["RoleArn"].clone()
    };
    let config = format!("[default]\nrole_arn = {ROLE_A}\nweb_identity_token_file = TOKEN\n");
    let absent = "arn:aws:iam::111111111111:role/absent";
    let by_profile = stage.with_config(&["process"], &config).env("AWS_ROLE_ARN", absent);
    assert_eq!(requested_role(by_profile), ROLE_A);

    // `credential_process = credvend process --role-arn …` never reads the profile that contains it.
    let config =
        format!("[profile app]\ncredential_process = credvend process\nrole_arn = {absent}\nsource_profile = app\n");
    let token_file = stage.tokens.token_file();
    let by_flag = stage
        .with_config(&["process", "--role-arn", ROLE_A, "--web-identity-token-file"], &config)
        .arg(token_file)
        .env("AWS_PROFILE", "app");
    assert_eq!(requested_role(by_flag), ROLE_A);
}

#[test]
fn default_profile_in_the_home_directory_overrides_only_the_variables() {
    let stage = Stage::new();
    stage.bare(&["export"]).end().failed(2, &["no role to assume", "AWS_ROLE_ARN"]);
    let token = stage.tokens.token_file();
    stage.write(".aws/config", &format!("[default]\nrole_arn={ROLE_A}\nweb_identity_token_file={}\n", token.display()));
    stage.bare(&["export"]).end().succeeded();
    let absent = "arn:aws:iam::111111111111:role/absent";
    stage.credvend(&["export"]).env("AWS_ROLE_ARN", absent).end().succeeded();
    stage.credvend(&["export", "--role-arn", absent]).end().failed(4, &[absent]);
}

#[test]
fn home_directory_of_another_user_hides_no_variables() {
    let stage = Stage::new();
    // A directory that cannot be searched, as `/root` in an image that runs as another user; root could search any.
    stage.write(".aws", "not a directory");
    stage.credvend(&["export"]).end().succeeded();
    stage.bare(&["export", "--profile", "app"]).end().failed(2, &[".aws/config", "not a directory"]);
}

#[test]
fn malformed_files_are_errors_unless_a_default_credentials_file_is_not_needed() {
    let stage = Stage::new();
    stage.write(".aws/credentials", "no section\n");
    stage.credvend(&["export", "--log-level=warn"]).end().succeeded();
    stage.bare(&["export"]).end().failed(2, &["no role to assume", "credentials is ignored"]);
    stage.write(".aws/config", "no section\n");
    stage.credvend(&["export"]).end().failed(2, &[".aws/config", "line 1"]);
}
