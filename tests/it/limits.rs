use std::{
    fs,
    io::Write as _,
    os::unix::{fs::lchown, process::CommandExt as _},
    path::Path,
    process::Command,
};

use crate::support::{Credvend, ROLE_A, Running, Signal, Stage, fifo, wait_until};

/// The user that runs credvend if the tests run as root, whom the limit on processes does not bind.
const USER: u32 = 65_534;

/// Runs credvend as a user whom the limit on processes binds.
pub(crate) fn bound(stage: &Stage, credvend: Credvend) -> Credvend {
    if !rustix::process::geteuid().is_root() {
        return credvend;
    }
    give(stage.directory());
    credvend.user(USER)
}

fn give(path: &Path) {
    lchown(path, Some(USER), Some(USER)).expect("root can change the owner");
    if path.is_dir() && !path.is_symlink() {
        fs::read_dir(path).expect("a directory").flatten().for_each(|entry| give(&entry.path()));
    }
}

/// From now on, the operating system refuses to start a thread or a process for `run`.
fn refuse_threads(run: &Running) {
    // Only the user of a process, and a root with all capabilities, can change its limits.
    let mut prlimit = Command::new("prlimit");
    if rustix::process::geteuid().is_root() {
        prlimit.uid(USER).gid(USER);
    }
    let status = prlimit.args(["--nproc=1:1", "--pid", &run.id().to_string()]).status();
    assert!(status.expect("prlimit(1) of util-linux").success());
}

/// Starts credvend with a FIFO as its config file, and refuses threads before it has read the file.
fn start_without_threads(stage: &Stage, credvend: Credvend) -> Running {
    let path = fifo(stage.path("config.fifo"));
    let run = bound(stage, credvend.env("AWS_CONFIG_FILE", &path)).start();
    // Opening waits until credvend has opened the other end.
    let mut writer = fs::OpenOptions::new().write(true).open(&path).expect("a reader");
    refuse_threads(&run);
    let token = stage.tokens.token_file();
    write!(writer, "[default]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {}\n", token.display()).expect("read");
    run
}

#[test]
fn run_without_a_thread_ends_with_exit_code_1_before_it_listens() {
    let stage = Stage::new();
    let ended = start_without_threads(&stage, stage.bare(&["run", "--listen", "127.0.0.1:0"])).wait();
    ended.failed(1, &["cannot start a thread", "raise the pids limit"]);
    assert!(!ended.stderr.contains("listening"), "{}", ended.stderr);
}

#[test]
fn exec_without_a_thread_ends_with_exit_code_1_before_it_starts_the_program() {
    let stage = Stage::new();
    let run = start_without_threads(&stage, stage.bare(&["exec", "--", "echo", "started"]));
    run.wait().failed(1, &["cannot start a thread", "raise the pids limit"]);
}

#[test]
fn export_writes_its_file_without_a_thread() {
    let stage = Stage::new();
    let output = stage.path("env");
    let output_text = output.display().to_string();
    start_without_threads(&stage, stage.bare(&["export", "--output", &output_text])).wait().succeeded();
    assert!(fs::read_to_string(output).expect("written").contains("AWS_SECRET_ACCESS_KEY="));
}

#[test]
fn name_lookup_without_a_thread_is_an_error_that_is_retried() {
    let stage = Stage::new();
    let export = stage.bare(&["export", "--timeout", "1s"]).env("AWS_ENDPOINT_URL_STS", url_with_a_name(&stage));
    let run = start_without_threads(&stage, export);
    run.wait().failed(5, &["timed out after 1s", "cannot start a thread for the name lookup", "raise the pids limit"]);
}

#[test]
fn run_refreshes_resolves_and_writes_when_no_further_thread_can_be_started() {
    let stage = Stage::new();
    // In a directory of its own, which the user of the process can write to.
    fs::create_dir(stage.path("aws")).expect("a directory");
    let file = stage.path("aws/credentials");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).env("CREDVEND_CREDENTIALS_FILE", &file);
    let run = bound(&stage, run.env("AWS_ENDPOINT_URL_STS", url_with_a_name(&stage))).start();
    let key = || {
        let text = fs::read_to_string(&file).unwrap_or_default();
        text.lines().find_map(|line| Some(line.strip_prefix("aws_access_key_id = ")?.to_owned()))
    };
    wait_until("the first credentials are in the file", || key().is_some());
    refuse_threads(&run);
    for _ in 0..3 {
        let before = key();
        run.signal(Signal::HUP);
        wait_until("a reload replaces the credentials in the file", || key() != before);
    }
    run.terminate().succeeded();
}

/// Returns the URL of the local STS with a host name, which credvend must look up.
fn url_with_a_name(stage: &Stage) -> String {
    stage.sts.url().replace("127.0.0.1", "localhost")
}
