use std::{os::unix::fs::PermissionsExt as _, process::Command};

use crate::support::{Credvend, Stage, binary};

#[test]
fn the_copy_is_whole_executable_and_replaces_a_running_one() {
    let stage = Stage::new();
    let directory = stage.path("shared");
    std::fs::create_dir(&directory).expect("made");
    let copy = directory.join("credvend");
    let install = || Credvend::new(&["install"]).arg(&directory).end().succeeded();
    assert_eq!(install().stdout, "");
    let mode = std::fs::metadata(&copy).expect("there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    let original = std::fs::read(binary()).expect("read");
    assert!(std::fs::read(&copy).expect("read") == original);

    // The copy runs, and installs itself over itself.
    let status = Command::new(&copy).arg("install").arg(&directory).env_clear().status().expect("it runs");
    assert!(status.success());
    assert!(std::fs::read(&copy).expect("read") == original);
    let names: Vec<_> = std::fs::read_dir(&directory).expect("read").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["credvend"], "nothing is left behind");
}

#[test]
fn who_clears_temporary_files_away_is_waited_for() {
    let stage = Stage::new();
    let [shared, other] = ["shared", "other"].map(|name| stage.path(name));
    for directory in [&shared, &other] {
        std::fs::create_dir(directory).expect("made");
    }
    let lock = std::fs::File::open(&shared).expect("opened");
    lock.lock().expect("locked");
    let waiting = Credvend::new(&["install"]).arg(&shared).start();
    // One that began later and waits for nobody is done; again and again, so that the first had its time.
    for _ in 0..5 {
        Credvend::new(&["install"]).arg(&other).end().succeeded();
    }
    assert!(std::fs::read_dir(&shared).expect("read").next().is_none());
    drop(lock);
    waiting.wait().succeeded();
    assert!(shared.join("credvend").is_file());
}

#[test]
fn what_cannot_be_installed_is_named() {
    let stage = Stage::new();
    Credvend::new(&["install"]).arg(stage.path("absent")).end().failed(6, &["absent/credvend", "create it"]);
    let file = stage.write("file", "");
    Credvend::new(&["install"]).arg(file).end().failed(6, &["not a directory"]);
    stage.write("taken/credvend/file", "");
    Credvend::new(&["install"]).arg(stage.path("taken")).end().failed(6, &["taken/credvend"]);
    Credvend::new(&["install"]).end().failed(2, &["<DIR>"]);
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = Credvend::new(&["completions", shell]).end().succeeded().stdout;
        for word in ["exec", "install", "from-endpoint", "chain-role-arn"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
    }
    Credvend::new(&["completions", "tcsh"]).end().failed(2, &["bash", "zsh"]);
}

#[test]
fn every_command_s_help_shows_examples() {
    for command in ["run", "export", "process", "exec", "health", "install", "completions"] {
        let long = Credvend::new(&[command, "--help"]).end().succeeded().stdout;
        assert!(long.contains("Examples") && long.contains(&format!("credvend {command}")), "{command}");
        let short = Credvend::new(&[command, "-h"]).end().succeeded().stdout;
        assert!(!short.contains("Examples"), "{command}");
    }
}
