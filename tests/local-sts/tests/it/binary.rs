use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use signal_hook::consts::SIGTERM;

use crate::support::{ROLE_A, post};

/// The program, killed if a test forgets it.
struct Running {
    child: Child,
    url: String,
}

impl Running {
    fn start(directory: &Path, options: &[&str]) -> Self {
        let url_file = directory.join("url");
        let child = Command::new(env!("CARGO_BIN_EXE_local-sts"))
            .args(options)
            .arg("--url-file")
            .arg(&url_file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        eventually(|| url_file.exists());
        Self { child, url: fs::read_to_string(url_file).expect("a URL") }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn eventually(mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "it never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn assume(url: &str, token_file: &Path) -> crate::support::Reply {
    let token = fs::read_to_string(token_file).expect("a token");
    let parameters = [("RoleArn", ROLE_A), ("RoleSessionName", "binary"), ("WebIdentityToken", &token)];
    post(url, "AssumeRoleWithWebIdentity", &parameters)
}

#[test]
fn it_projects_a_token_and_says_how_to_use_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let volume = directory.path().join("volume");
    let volume_text = volume.to_str().expect("UTF-8");
    let mut running = Running::start(directory.path(), &["--token-dir", volume_text, "--credential-lifetime", "60"]);
    let token_file = volume.join("token");
    assert_eq!(assume(&running.url, &token_file).status, 200);

    let lines: Vec<String> = BufReader::new(running.child.stdout.take().expect("piped"))
        .lines()
        .map(|line| line.expect("text"))
        .take(6)
        .collect();
    for expected in [
        format!("export AWS_ENDPOINT_URL_STS={}", running.url),
        format!("export AWS_WEB_IDENTITY_TOKEN_FILE={}", token_file.display()),
        format!("export AWS_ROLE_ARN={ROLE_A}"),
    ] {
        assert!(lines.contains(&expected), "{expected} in {lines:?}");
    }
}

#[test]
fn it_renews_the_token() {
    let directory = tempfile::tempdir().expect("a directory");
    let volume = directory.path().join("volume");
    let running =
        Running::start(directory.path(), &["--token-dir", volume.to_str().expect("UTF-8"), "--token-lifetime", "3"]);
    let token_file = volume.join("token");
    let first = fs::read_to_string(&token_file).expect("a token");
    eventually(|| fs::read_to_string(&token_file).is_ok_and(|token| token != first));
    assert_eq!(assume(&running.url, &token_file).status, 200);
}

#[test]
fn it_takes_a_world_file_a_clock_shift_and_a_service_account() {
    let directory = tempfile::tempdir().expect("a directory");
    let world: PathBuf = directory.path().join("world.json");
    let text = include_str!("../../src/world/two_accounts.json").replace("shop:checkout", "a:b");
    fs::write(&world, text).expect("written");
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
    let running = Running::start(directory.path(), &options);
    let reply = assume(&running.url, &volume.join("token"));
    assert_eq!(reply.status, 200, "{}", reply.body);
    assert_eq!(reply.expect("SubjectFromWebIdentityToken"), "system:serviceaccount:a:b");
}

#[test]
fn it_stops_on_a_signal() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut running = Running::start(directory.path(), &[]);
    let status = Command::new("kill").args([format!("-{SIGTERM}"), running.child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
    let mut ended = None;
    eventually(|| {
        ended = running.child.try_wait().expect("a child");
        ended.is_some()
    });
    assert!(ended.expect("ended").success());
}

#[test]
fn it_says_what_is_wrong() {
    let directory = tempfile::tempdir().expect("a directory");
    let world = directory.path().join("world.json");
    fs::write(&world, "{\"acounts\": {}}").expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_local-sts")).arg("--world").arg(&world).output().expect("run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("world.json: the world is not readable: unknown field `acounts`"),
        "{said}"
    );
}
