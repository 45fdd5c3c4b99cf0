//! `tests/clients/explain` compares these answers with those of the SDKs.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use serde_json::Value;

use crate::support::{Credvend, ROLE_A, Stage, wait_until};

const URL: &str = "http://127.0.0.1:9911/v1/credentials";
const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The programs whose answer is not that of the SDKs when only the full URI is set.
const NEED_MORE: [&str; 2] = ["object_store", "s3fs"];

/// What `explain` says.
struct Answers(Value);

impl Answers {
    #[track_caller]
    fn of(command: Credvend) -> Self {
        let ended = command.arg("--format=json").end();
        assert_eq!(ended.stderr, "");
        let document: Value = serde_json::from_str(&ended.stdout).expect("JSON");
        let answers = Self(document);
        let all = answers.all().iter().all(|sdk| sdk["uses_credvend"] == true);
        assert_eq!(ended.code, Some(i32::from(!all)), "the exit code says whether all use credvend");
        answers
    }

    fn all(&self) -> &[Value] {
        self.0["sdks"].as_array().expect("a list")
    }

    #[track_caller]
    fn sdk(&self, name: &str) -> &Value {
        self.all().iter().find(|sdk| sdk["sdk"] == name).expect("an SDK of this name")
    }

    /// Returns `source` of an SDK, with `!` if the source cannot work, and `*` if it is credvend.
    #[track_caller]
    fn source(&self, name: &str) -> String {
        let sdk = self.sdk(name);
        let suffix = match (sdk["works"] == true || sdk["source"] == "none", sdk["uses_credvend"] == true) {
            (false, _) => "!",
            (true, true) => "*",
            (true, false) => "",
        };
        format!("{}{suffix}", sdk["source"].as_str().expect("text"))
    }

    /// Asserts the sources of SDKs. The pair `others` stands for all that are not listed.
    #[track_caller]
    fn expect(&self, expected: &[(&str, &str)]) -> &Self {
        for sdk in self.all() {
            let name = sdk["sdk"].as_str().expect("text");
            let others = expected.iter().find(|(names, _)| *names == "others");
            let listed = expected.iter().find(|(names, _)| names.split(' ').any(|listed| listed == name));
            if let Some((_, source)) = listed.or(others) {
                assert_eq!(self.source(name), *source, "{name}: {sdk:#}");
            }
        }
        self
    }

    /// Asserts that the notes on an SDK contain these texts.
    #[track_caller]
    fn notes(&self, name: &str, texts: &[&str]) -> &Self {
        let notes = self.sdk(name)["notes"].to_string();
        for text in texts {
            assert!(notes.contains(text), "{name}: {text:?} is missing in {notes}");
        }
        self
    }
}

/// Returns a command without identity.
fn explain(stage: &Stage) -> Credvend {
    let region = "eu-central-1";
    Credvend::new(&["explain"])
        .env("HOME", stage.directory())
        // The SDK for Java 1 takes the home directory from the user database.
        .env("AWS_CREDENTIAL_PROFILES_FILE", stage.path(".aws/credentials"))
        .env("AWS_REGION", region)
        .env("AWS_DEFAULT_REGION", region)
}

/// Returns a command with the endpoint of credvend and its token file.
fn with_endpoint(stage: &Stage) -> Credvend {
    explain(stage).env(FULL_URI, URL).env(TOKEN_FILE, stage.write("token", "opaque"))
}

fn with_webhook(command: Credvend, stage: &Stage) -> Credvend {
    command.env("AWS_ROLE_ARN", ROLE_A).env("AWS_WEB_IDENTITY_TOKEN_FILE", stage.tokens.token_file())
}

#[test]
fn endpoint_with_a_token_file_is_used_by_all_but_s3fs() {
    let stage = Stage::new();
    Answers::of(with_endpoint(&stage))
        .expect(&[("s3fs", "none"), ("others", "container*")])
        .notes("s3fs", &[RELATIVE_URI]);
}

#[test]
fn endpoint_with_a_token_variable_is_ignored_by_object_store() {
    let stage = Stage::new();
    let answers = Answers::of(explain(&stage).env(FULL_URI, URL).env(TOKEN, "opaque-token-value"));
    answers.expect(&[("s3fs", "none"), ("object_store", "instance_metadata"), ("others", "container*")]);
    answers.notes("object_store", &["ignored without", TOKEN_FILE]);
    assert!(!answers.0.to_string().contains("opaque-token-value"));
}

#[test]
fn webhook_variables_are_used_with_their_role() {
    let stage = Stage::new();
    let answers = Answers::of(with_webhook(explain(&stage), &stage));
    answers.expect(&[("s3fs", "none"), ("others", "web_identity")]);
    assert_eq!(answers.sdk("boto3")["role_arn"], ROLE_A);
}

#[test]
fn webhook_variables_outrank_the_endpoint() {
    let stage = Stage::new();
    let answers = Answers::of(with_webhook(with_endpoint(&stage), &stage));
    answers.expect(&[("s3fs", "none"), ("others", "web_identity")]);
    answers
        .notes("rust", &["AWS_WEB_IDENTITY_TOKEN_FILE outranks AWS_CONTAINER_CREDENTIALS_FULL_URI", "skip-containers"]);
}

#[test]
fn access_keys_outrank_the_endpoint() {
    let stage = Stage::new();
    let keys = |command: Credvend| command.env("AWS_ACCESS_KEY_ID", "AKIAX").env("AWS_SECRET_ACCESS_KEY", "secret-x");
    let answers = Answers::of(keys(with_endpoint(&stage)));
    answers.expect(&[("s3fs", "none"), ("others", "environment")]).notes("go-v2", &["AWS_ACCESS_KEY_ID outranks"]);
    assert!(!answers.0.to_string().contains("secret-x"));
    // Only the SDK for JavaScript prefers the profile.
    stage.write(".aws/credentials", "[app]\naws_access_key_id = AKIAY\naws_secret_access_key = secret-y\n");
    let answers = Answers::of(keys(with_endpoint(&stage)).env("AWS_PROFILE", "app"));
    answers.expect(&[("javascript-v3", "keys"), ("s3fs", "none"), ("others", "environment")]);
}

#[test]
fn half_a_pair_of_access_keys_fails_in_some_sdks() {
    let stage = Stage::new();
    let answers = Answers::of(with_endpoint(&stage).env("AWS_ACCESS_KEY_ID", "AKIAX"));
    answers.expect(&[("boto3 object_store minio-go", "environment!"), ("s3fs", "none"), ("others", "container*")]);
}

#[test]
fn profile_with_static_keys_outranks_the_endpoint() {
    let stage = Stage::new();
    stage.write(".aws/credentials", "[app]\naws_access_key_id = AKIAX\naws_secret_access_key = secret-x\n");
    let without = [("s3fs", "none"), ("others", "container*")];
    Answers::of(with_endpoint(&stage)).expect(&without);
    let answers = Answers::of(with_endpoint(&stage).env("AWS_PROFILE", "app"));
    answers.expect(&[("s3fs", "none"), ("object_store", "container*"), ("others", "keys")]);
    answers.notes("boto3", &["profile app in", "/.aws/credentials outranks"]);
    assert!(!answers.0.to_string().contains("secret-x"));
}

#[test]
fn credentials_file_counts_as_credvend_only_with_its_comment() {
    let stage = Stage::new();
    let section = "[default]\naws_access_key_id = AKIAX\naws_secret_access_key = secret-x\naws_session_token = t\n";
    stage.write(".aws/credentials", &format!("# credvend: expires 2030-01-01T00:00:00Z\n{section}"));
    let by_credvend = [("s3fs", "none"), ("object_store", "instance_metadata"), ("others", "keys*")];
    Answers::of(explain(&stage)).expect(&by_credvend);
    stage.write(".aws/credentials", section);
    Answers::of(explain(&stage)).expect(&[("s3fs", "none"), ("object_store", "instance_metadata"), ("others", "keys")]);
}

#[test]
fn credential_process_of_credvend_is_recognized() {
    let stage = Stage::new();
    let program = stage.write("credvend", "");
    let config =
        |program: &Path| format!("[default]\ncredential_process = {} process --from-endpoint\n", program.display());
    let path = stage.write(".aws/config", &config(&program));
    let answers = Answers::of(explain(&stage).env("AWS_SDK_LOAD_CONFIG", "1"));
    answers.expect(&[
        ("s3fs", "none"),
        // They do not read the config file.
        ("java-v1 object_store", "instance_metadata"),
        ("others", "process*"),
    ]);
    fs::write(path, config(Path::new("/absent/credvend"))).expect("written");
    Answers::of(explain(&stage)).expect(&[("boto3 rust", "process!")]).notes("rust", &["/absent/credvend", "install"]);
}

#[test]
fn role_with_the_endpoint_as_its_source_comes_from_credvend() {
    let stage = Stage::new();
    stage.write(".aws/config", &format!("[profile app]\nrole_arn = {ROLE_A}\ncredential_source = EcsContainer\n"));
    let answers = Answers::of(with_endpoint(&stage).env("AWS_PROFILE", "app"));
    answers.expect(&[("boto3 go-v2 java-v2 javascript-v3 rust", "role*")]);
    assert_eq!(answers.sdk("boto3")["role_arn"], ROLE_A);
    stage.write(".aws/config", &format!("[profile app]\nrole_arn = {ROLE_A}\nsource_profile = app\n"));
    Answers::of(with_endpoint(&stage).env("AWS_PROFILE", "app")).expect(&[("boto3 rust", "role!")]);
}

#[test]
fn token_file_with_a_newline_or_unreadable_does_not_work() {
    let stage = Stage::new();
    let with_file = |path: &Path| Answers::of(explain(&stage).env(FULL_URI, URL).env(TOKEN_FILE, path));
    let answers = with_file(&stage.write("token", "opaque\n"));
    answers.expect(&[("boto3 go-v1 go-v2 rust javascript-v3", "container!"), ("ruby cpp libcurl", "container*")]);
    answers.notes("boto3", &["line break", "printf"]);
    let answers = with_file(&stage.path("absent"));
    answers.expect(&[("boto3 go-v2 rust", "container!")]).notes("boto3", &["cannot read", "absent"]);
}

#[test]
fn both_uris_are_told_and_an_empty_one_breaks_some_sdks() {
    let stage = Stage::new();
    let answers = Answers::of(with_endpoint(&stage).env(RELATIVE_URI, "/v2/credentials/task"));
    let without_token = ("java-v1 object_store minio-go", "container!");
    answers
        .expect(&[("go-v1 libcurl", "container*"), without_token, ("others", "container")])
        .notes("boto3", &["both"]);
    let answers = Answers::of(with_endpoint(&stage).env(RELATIVE_URI, ""));
    answers.expect(&[("boto3 rust java-v1", "container!"), ("java-v2", "instance_metadata")]);
    answers.expect(&[("go-v1 go-v2 javascript-v3", "container*")]).notes("boto3", &["is empty"]);
    let answers = Answers::of(explain(&stage).env(RELATIVE_URI, "/v1/credentials"));
    answers.expect(&[("others", "container*")]);
}

#[test]
fn pod_identity_agent_of_eks_is_not_credvend() {
    let stage = Stage::new();
    let token = stage.write("pods.eks.amazonaws.com/token", "opaque");
    let command = explain(&stage).env(FULL_URI, "http://169.254.170.23/v1/credentials").env(TOKEN_FILE, token);
    Answers::of(command).expect(&[("boto3 go-v2 rust minio-go", "container")]);
}

#[test]
fn proxy_without_exceptions_catches_some_requests() {
    let stage = Stage::new();
    let caught = with_endpoint(&stage).env("HTTP_PROXY", "http://proxy:3128").env("http_proxy", "http://proxy:3128");
    let answers = Answers::of(caught);
    answers.expect(&[("rust object_store libcurl", "container!"), ("s3fs", "none"), ("others", "container*")]);
    answers.notes("rust", &["http_proxy catches", "127.0.0.1", "NO_PROXY"]);
    let exempt = with_endpoint(&stage).env("HTTP_PROXY", "http://proxy:3128").env("NO_PROXY", "10.0.0.1, 127.0.0.1");
    Answers::of(exempt).expect(&[("s3fs", "none"), ("others", "container*")]);
    // HTTPS_PROXY does not concern the endpoint.
    let https = with_endpoint(&stage).env("HTTPS_PROXY", "http://proxy:3128");
    Answers::of(https).expect(&[("s3fs", "none"), ("others", "container*")]);
}

#[test]
fn hosts_that_an_sdk_refuses_do_not_work() {
    let stage = Stage::new();
    let at =
        |url: &str| Answers::of(explain(&stage).env(FULL_URI, url).env(TOKEN_FILE, stage.write("token", "opaque")));
    at("http://[::1]:9911/v1/credentials").expect(&[("s3fs", "none"), ("others", "container*")]);
    let answers = at("http://10.0.0.1:9911/v1/credentials");
    answers
        .expect(&[("boto3 go-v1 go-v2 javascript-v3 rust", "container!")])
        .notes("boto3", &["10.0.0.1", "not accepted"]);
    at("http://127.0.1.1:9911/v1/credentials").expect(&[("cpp", "container!"), ("boto3 go-v2", "container*")]);
    // Programs in Go use a proxy only for other addresses than those of the loopback interface.
    let relative = explain(&stage).env(RELATIVE_URI, "/v1/credentials").env("HTTP_PROXY", "http://proxy:3128");
    Answers::of(relative).expect(&[("go-v1 go-v2 minio-go rust", "container!"), ("boto3 javascript-v3", "container*")]);
    at("127.0.0.1:9911").expect(&[("boto3", "container!")]);
}

#[test]
fn instance_metadata_variable_and_its_switch() {
    let stage = Stage::new();
    let command = || explain(&stage).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9912");
    let ignoring = "object_store minio-go libcurl";
    let answers = Answers::of(command());
    answers.expect(&[(ignoring, "instance_metadata"), ("s3fs", "none"), ("others", "instance_metadata*")]);
    let answers = Answers::of(command().env("HTTP_PROXY", "http://proxy:3128"));
    answers.expect(&[("boto3 rust", "instance_metadata!"), ("go-v1 go-v2 javascript-v3", "instance_metadata*")]);
    let answers = Answers::of(command().env("AWS_EC2_METADATA_DISABLED", "true"));
    answers.expect(&[(ignoring, "instance_metadata"), ("others", "none")]);
}

#[test]
fn nothing_configured_leaves_instance_metadata_and_no_region() {
    let stage = Stage::new();
    let answers = Answers::of(explain(&stage).without("AWS_REGION").without("AWS_DEFAULT_REGION"));
    answers
        .expect(&[("s3fs", "none"), ("others", "instance_metadata")])
        .notes("boto3", &["no region in AWS_DEFAULT_REGION"]);
    stage.write(".aws/config", "[default]\nregion = eu-west-1\n");
    let answers = Answers::of(explain(&stage).without("AWS_REGION").without("AWS_DEFAULT_REGION"));
    assert_eq!(answers.sdk("boto3")["notes"].as_array().map(Vec::len), Some(0));
}

#[test]
fn profile_that_does_not_exist_stops_some_sdks() {
    let stage = Stage::new();
    let answers = Answers::of(with_endpoint(&stage).env("AWS_PROFILE", "absent"));
    answers.expect(&[("javascript-v3 rust object_store", "container*"), ("boto3 go-v2", "keys!")]);
    answers.notes("boto3", &["profile absent does not exist"]);
}

#[test]
fn text_fits_in_80_columns_and_names_the_sdks_of_each_note() {
    let stage = Stage::new();
    let ended = with_webhook(with_endpoint(&stage), &stage).end();
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""));
    for line in ended.stdout.lines() {
        assert!(line.chars().count() <= 80 || !line.trim().contains(' '), "{line}");
    }
    for text in [
        "SDK OR PROGRAM    CREDVEND  SOURCE\n",
        "Go v2             no        web identity\n",
        ROLE_A,
        "-> ",
        "concerns ",
    ] {
        assert!(ended.stdout.contains(text), "{text:?} is missing in\n{}", ended.stdout);
    }
}

#[test]
fn flags_select_sdks_and_wrong_ones_are_usage_errors() {
    let stage = Stage::new();
    let only = with_endpoint(&stage).arg("--sdk=boto3").arg("--sdk=rust").end().succeeded();
    assert_eq!(only.stdout.lines().count(), 3, "{}", only.stdout);
    explain(&stage).arg("--sdk=perl").end().failed(2, &["--sdk", "perl", "boto3"]);
    explain(&stage).arg("--format=yaml").end().failed(2, &["--format", "text or json"]);
    explain(&stage).arg("--pid=../self").end().failed(2, &["--pid", "number"]);
    explain(&stage).arg("--pid=4194304").end().failed(2, &["--pid", "/proc/4194304/status"]);
}

#[test]
fn another_process_is_examined_with_its_environment_and_user() {
    let stage = Stage::new();
    let token = stage.write("token", "opaque");
    let is_root = rustix::process::geteuid().is_root();
    let mut sleep = Command::new("sleep");
    sleep.arg("600").env_clear().env(FULL_URI, URL).env(TOKEN_FILE, "token").current_dir(stage.directory());
    sleep.env("AWS_REGION", "x").env("AWS_DEFAULT_REGION", "x");
    if is_root {
        use std::os::unix::process::CommandExt as _;
        sleep.uid(65534).gid(65534);
    }
    fs::set_permissions(stage.directory(), fs::Permissions::from_mode(0o755)).expect("changed");
    let mut child = sleep.spawn().expect("started");
    let environ = format!("/proc/{}/environ", child.id());
    wait_until("the program runs", || fs::read(&environ).is_ok_and(|text| text.starts_with(b"AWS_")));
    let examine = || Answers::of(Credvend::new(&["explain"]).arg(format!("--pid={}", child.id())));
    let used = [("s3fs", "none"), ("others", "container*")];
    examine().expect(&used);
    if is_root {
        fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("changed");
        examine().expect(&[("boto3 go-v2", "container!")]).notes("boto3", &["cannot read token", "permission denied"]);
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
}

#[test]
fn every_sdk_but_the_listed_ones_needs_only_the_full_uri() {
    let stage = Stage::new();
    let answers = Answers::of(explain(&stage).env(FULL_URI, URL));
    let names = answers.all().iter().filter(|sdk| sdk["uses_credvend"] == false).map(|sdk| sdk["sdk"].as_str());
    assert_eq!(names.flatten().collect::<Vec<_>>(), NEED_MORE);
}
