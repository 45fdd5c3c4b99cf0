use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use signal_hook::consts::SIGTERM;

use crate::support::{ROLE_A, post};

/// A running local-sts process, which is killed on drop.
pub(crate) struct LocalStsProcess {
    child: Child,
    pub(crate) url: String,
}

impl LocalStsProcess {
    pub(crate) fn start(directory: &Path, options: &[&str]) -> Self {
        let url_file = directory.join("url");
        let child = Command::new(env!("CARGO_BIN_EXE_local-sts"))
            .args(options)
            .arg("--url-file")
            .arg(&url_file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("local-sts starts");
        wait_until("local-sts writes its URL", || url_file.exists());
        Self { child, url: fs::read_to_string(url_file).expect("URL file") }
    }
}

impl Drop for LocalStsProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_until(condition: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_true() {
        assert!(Instant::now() < deadline, "timed out waiting until {condition}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assume(url: &str, token_file: &Path) -> crate::support::Response {
    let token = fs::read_to_string(token_file).expect("token file");
    let parameters = [("RoleArn", ROLE_A), ("RoleSessionName", "binary"), ("WebIdentityToken", &token)];
    post(url, "AssumeRoleWithWebIdentity", &parameters)
}

#[test]
fn binary_projects_a_token_and_prints_environment_variables() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volume = directory.path().join("volume");
    let volume_text = volume.to_str().expect("UTF-8");
    let mut process =
        LocalStsProcess::start(directory.path(), &["--token-dir", volume_text, "--credential-lifetime", "60"]);
    let token_file = volume.join("token");
    assert_eq!(assume(&process.url, &token_file).status, 200);

    let lines: Vec<String> = BufReader::new(process.child.stdout.take().expect("piped"))
        .lines()
        .map(|line| line.expect("text"))
        .take(6)
        .collect();
    for expected in [
        format!("export AWS_ENDPOINT_URL_STS={}", process.url),
        format!("export AWS_WEB_IDENTITY_TOKEN_FILE={}", token_file.display()),
        format!("export AWS_ROLE_ARN={ROLE_A}"),
    ] {
        assert!(lines.contains(&expected), "{expected} in {lines:?}");
    }
}

#[test]
fn binary_renews_the_token() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let volume = directory.path().join("volume");
    let process = LocalStsProcess::start(
        directory.path(),
        &["--token-dir", volume.to_str().expect("UTF-8"), "--token-lifetime", "3"],
    );
    let token_file = volume.join("token");
    let first = fs::read_to_string(&token_file).expect("token file");
    wait_until("the token changes", || fs::read_to_string(&token_file).is_ok_and(|token| token != first));
    assert_eq!(assume(&process.url, &token_file).status, 200);
}

#[test]
fn binary_accepts_world_file_clock_shift_and_service_account() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let world: PathBuf = directory.path().join("world.json");
    let text = include_str!("../../src/world/two_accounts.json").replace("shop:checkout", "a:b");
    fs::write(&world, text).expect("file written");
    let volume = directory.path().join("volume");
    let options = [
        "--world",
        world.to_str().expect("UTF-8"),
        "--token-dir",
        volume.to_str().expect("UTF-8"),
        "--namespace",
        "a",
        "--service-account",
        "b",
        "--clock-shift",
        "-86400",
    ];
    let process = LocalStsProcess::start(directory.path(), &options);
    let response = assume(&process.url, &volume.join("token"));
    assert_eq!(response.status, 200, "{}", response.body);
    assert_eq!(response.expect("SubjectFromWebIdentityToken"), "system:serviceaccount:a:b");
}

#[test]
fn binary_exits_with_0_on_sigterm() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let mut process = LocalStsProcess::start(directory.path(), &[]);
    let status = Command::new("kill").args([format!("-{SIGTERM}"), process.child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
    let mut exit_status = None;
    wait_until("local-sts exits", || {
        exit_status = process.child.try_wait().expect("child process");
        exit_status.is_some()
    });
    assert!(exit_status.expect("exited").success());
}

#[test]
fn binary_reports_errors_in_the_world_file() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let world = directory.path().join("world.json");
    fs::write(&world, "{\"acounts\": {}}").expect("file written");
    let output = Command::new(env!("CARGO_BIN_EXE_local-sts")).arg("--world").arg(&world).output().expect("run");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && stderr.contains("world.json: cannot parse the world: unknown field `acounts`"),
        "{stderr}"
    );
}
