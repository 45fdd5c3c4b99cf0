use std::{
    os::unix::fs::PermissionsExt as _,
    process::Command,
    time::{Duration, Instant},
};

use crate::support::{Credvend, Stage, binary};

#[test]
fn copy_is_complete_executable_and_replaces_a_running_binary() {
    let stage = Stage::new();
    let directory = stage.path("shared");
    std::fs::create_dir(&directory).expect("create directory");
    let copy = directory.join("credvend");
    let install = || Credvend::new(&["install"]).arg(&directory).end().succeeded();
    assert_eq!(install().stdout, "");
    let mode = std::fs::metadata(&copy).expect("read metadata").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    let original = std::fs::read(binary()).expect("read binary");
    assert!(std::fs::read(&copy).expect("read copy") == original);

    // The copy runs and replaces its own file.
    let status = Command::new(&copy).arg("install").arg(&directory).env_clear().status().expect("run the copy");
    assert!(status.success());
    assert!(std::fs::read(&copy).expect("read copy") == original);
    let names: Vec<_> =
        std::fs::read_dir(&directory).expect("list directory").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["credvend"], "no temporary file remains");
}

#[test]
fn install_waits_for_the_lock_on_the_directory() {
    let stage = Stage::new();
    let [shared, other] = ["shared", "other"].map(|name| stage.path(name));
    for directory in [&shared, &other] {
        std::fs::create_dir(directory).expect("create directory");
    }
    let lock = std::fs::File::open(&shared).expect("open directory");
    lock.lock().expect("lock directory");
    let waiting = Credvend::new(&["install"]).arg(&shared).start();
    // Installs into another directory finish meanwhile. Five of them take long enough for the first one to write its
    // file if it ignored the lock. It waits for 10 s, so a busy machine makes fewer of them.
    let begin = Instant::now();
    for _ in 0..5 {
        Credvend::new(&["install"]).arg(&other).end().succeeded();
        if begin.elapsed() > Duration::from_secs(3) {
            break;
        }
    }
    assert!(std::fs::read_dir(&shared).expect("list directory").next().is_none());
    drop(lock);
    waiting.wait().succeeded();
    assert!(shared.join("credvend").is_file());
}

#[test]
fn install_errors_name_the_path() {
    let stage = Stage::new();
    Credvend::new(&["install"]).arg(stage.path("absent")).end().failed(6, &["absent/credvend", "create it"]);
    let file = stage.write("file", "");
    Credvend::new(&["install"]).arg(file).end().failed(6, &["not a directory"]);
    stage.write("taken/credvend/file", "");
    Credvend::new(&["install"]).arg(stage.path("taken")).end().failed(6, &["taken/credvend"]);
    Credvend::new(&["install"]).end().failed(2, &["<DIR>"]);
}

#[test]
fn completions_contain_commands_and_flags() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = Credvend::new(&["completions", shell]).end().succeeded().stdout;
        for word in ["exec", "install", "from-endpoint", "chain-role-arn"] {
            assert!(script.contains(word), "{word} is missing for {shell}");
        }
    }
    Credvend::new(&["completions", "tcsh"]).end().failed(2, &["bash", "zsh"]);
}

#[test]
fn long_help_of_each_command_shows_examples() {
    for command in ["run", "export", "process", "exec", "health", "install", "completions"] {
        let long = Credvend::new(&[command, "--help"]).end().succeeded().stdout;
        assert!(long.contains("Examples") && long.contains(&format!("credvend {command}")), "{command}");
        let short = Credvend::new(&[command, "-h"]).end().succeeded().stdout;
        assert!(!short.contains("Examples"), "{command}");
    }
}

#[test]
fn help_that_cannot_be_written_is_an_error() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("open /dev/full");
    for arguments in [&["--help"][..], &["--version"], &["run", "--help"]] {
        let output = Command::new(binary()).args(arguments).env_clear().stdout(full()).output().expect("run credvend");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(6), "{arguments:?}: {stderr}");
        assert!(stderr.contains("stdout"), "{stderr}");
    }
}

#[test]
fn help_lists_each_command_and_version_prints_the_version() {
    let version = Credvend::new(&["--version"]).end().succeeded();
    assert_eq!(version.stdout.trim(), concat!("credvend ", env!("CARGO_PKG_VERSION")));
    let commands = [
        "run",
        "export",
        "process",
        "exec",
        "check",
        "trust-policy",
        "health",
        "status",
        "explain",
        "reload",
        "install",
        "completions",
    ];
    let help = Credvend::new(&["--help"]).end().succeeded().stdout;
    for command in commands {
        assert!(help.contains(&format!("\n  {command} ")), "{command} is missing in {help}");
        let own = Credvend::new(&[command, "--help"]).end().succeeded();
        assert!(own.stdout.contains("Usage: credvend") && own.stderr.is_empty(), "{command}");
    }
}
