//! Runs the commands of README.md as a reader does: the code blocks of each section in order, in one shell and one directory.
//!
//! - `sh` blocks must succeed. In `console` blocks each command (`$ …`) must also print the lines below it. `…` stands for any text,
//!   and on a line of its own for any number of lines.
//! - A block with a file name after its language is written to that file. `credvend check --offline` must accept each `ini` block.
//! - `credvend run` stays in the background until the next `credvend run` or the end of its section. The next command starts when it is
//!   ready.
//! - The environment has the variables that the EKS pod identity webhook sets. 127.0.0.1 is replaced with a loopback address that no
//!   other test uses, and absolute paths with paths in the scratch directory.

use std::{
    fs,
    io::Read as _,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use super::blocks::{Fenced, fenced};
use crate::{
    regions::rig::Regions,
    support::{DEADLINE, ROLE_A, Signal, Stage},
};

/// Blocks that start with these words are not run, with the reason.
const NOT_RUN: [(&str, &str); 4] = [
    ("cargo ", "the gate runs the quick start and `cargo test`"),
    ("RUSTFLAGS=", "the gate builds the static release binary"),
    ("kubectl ", "it requires a cluster; `explain` tests `--pid`"),
    ("images/build ", "it requires a container engine; the gate builds the image for its pods"),
];

/// Functions that the shell defines before the first block.
const PRELUDE: &str = r#"
runs=
end_runs() {
  for run in $runs; do
    kill "$run" && wait "$run" || { cat run.log; return 1; }
  done
  runs=
}
finish() {
  code=$?
  end_runs || code=1
  exit "$code"
}
trap finish EXIT
credvend() {
  case " $* " in
    *" --once "*) command credvend "$@" || return; return ;;
    " run "*) ;;
    *) command credvend "$@" || return; return ;;
  esac
  end_runs || exit 1
  command credvend "$@" >>run.log 2>&1 &
  runs="$runs $!"
  tries=0
  until command credvend health 2>/dev/null; do
    tries=$((tries + 1))
    # Stop waiting if the process has exited; the shell may already have reaped it.
    if ! kill -0 "$!" 2>/dev/null || grep -q ') Z ' "/proc/$!/stat" || [ "$tries" -ge 150 ]; then
      cat run.log
      exit 1
    fi
    sleep 0.1
  done
}
set -eu
"#;

/// Replaces the AWS CLI: succeeds if it finds credentials where the CLI looks for them.
const AWS: &str = r#"#!/bin/sh
set -eu
if [ -n "${AWS_ACCESS_KEY_ID:-}" ]; then
  [ -n "$AWS_SECRET_ACCESS_KEY" ] && [ -n "$AWS_SESSION_TOKEN" ]
elif [ -n "${AWS_CONTAINER_CREDENTIALS_FULL_URI:-}" ]; then
  credvend process --from-endpoint --timeout 5s >/dev/null
elif [ -n "${AWS_CONFIG_FILE:-}" ]; then
  sed -n 's/^credential_process = //p' "$AWS_CONFIG_FILE" >lines
  [ -s lines ]
  while read -r line; do sh -c "$line" | grep -q SessionToken; done <lines
else
  grep -q '^aws_session_token = ' "${AWS_SHARED_CREDENTIALS_FILE:?no credentials}"
fi
"#;

/// Working directory of the commands, below the scratch directory.
const DIRECTORY: &str = "here";

/// Separates the outputs of commands.
const MARK: char = '\u{1e}';

/// Paths and addresses in README.md, and their replacements on this machine.
struct Places(Vec<(&'static str, String)>);

impl Places {
    fn new(stage: &Stage, section: usize) -> Self {
        let [low, high, ..] = std::process::id().to_le_bytes();
        let host = format!("127.{}.{high}.{}", 100 + section % 100, low.max(1));
        let directory = |name: &str| {
            fs::create_dir_all(stage.path(name)).expect("made");
            stage.path(name).display().to_string()
        };
        Self(vec![
            (
                "/var/run/secrets/eks.amazonaws.com/serviceaccount/token",
                stage.tokens.token_file().display().to_string(),
            ),
            ("/credvend-shared", directory("credvend-shared")),
            ("127.0.0.1:99", format!("{host}:99")),
            ("0.0.0.0:99", format!("{host}:99")),
        ])
    }

    fn here(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (readme, here)| text.replace(readme, here))
    }

    fn in_readme(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (readme, here)| text.replace(here, readme))
    }
}

/// One command of a `console` block with its expected output, or all commands of an `sh` block without one.
struct Step {
    line: usize,
    command: String,
    expected: Option<Vec<String>>,
}

fn steps(block: &Fenced) -> Vec<Step> {
    if block.language == "sh" {
        return vec![Step { line: block.line, command: block.text.clone(), expected: None }];
    }
    let mut steps: Vec<Step> = Vec::new();
    for (line, text) in (block.line + 1..).zip(block.text.lines()) {
        if let Some(command) = text.strip_prefix("$ ") {
            steps.push(Step { line, command: format!("{command}\n"), expected: Some(Vec::new()) });
            continue;
        }
        let step = steps.last_mut().unwrap_or_else(|| panic!("README.md:{line}: a console block begins with `$ `"));
        if step.command.ends_with("\\\n") {
            step.command.push_str(&format!("{text}\n"));
        } else {
            step.expected.get_or_insert_default().push(text.to_owned());
        }
    }
    steps
}

fn is_run(block: &Fenced) -> bool {
    ["sh", "console"].contains(&&*block.language) && reason_not_to_run(block).is_none()
}

fn reason_not_to_run(block: &Fenced) -> Option<&'static str> {
    let commands = block.text.trim_start_matches("$ ");
    NOT_RUN.iter().find(|(begin, _)| commands.starts_with(begin)).map(|(begin, _)| *begin)
}

#[test]
fn every_command_works() {
    let blocks = fenced();
    let mut sections: Vec<Vec<&Fenced>> = Vec::new();
    for block in &blocks {
        match sections.last_mut() {
            Some(section) if section[0].heading == block.heading => section.push(block),
            _ => sections.push(vec![block]),
        }
    }
    let tested: Vec<_> = sections.iter().filter(|section| section.iter().any(|block| is_run(block))).collect();
    assert!(tested.len() > 8, "README.md has commands in more sections than {}", tested.len());
    let results: Vec<_> = thread::scope(|scope| {
        let tests: Vec<_> =
            (0..).zip(&tested).map(|(number, section)| scope.spawn(move || run(number, section))).collect();
        tests.into_iter().map(|test| test.join().unwrap_or_else(|_| Err("panicked, see above".to_owned()))).collect()
    });
    let failed: Vec<_> = results.into_iter().filter_map(Result::err).collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

/// Runs the blocks of a section; returns a message if one of them fails.
fn run(number: usize, section: &[&Fenced]) -> Result<(), String> {
    // Fallback regions exclude the endpoint URL of a local STS.
    let regions = section.iter().any(|block| block.text.contains("--sts-fallback-region")).then(Regions::new);
    let own_stage = regions.is_none().then(Stage::new);
    let stage = own_stage.as_ref().or(regions.as_ref().map(|regions| &regions.stage)).expect("one of them");
    let sts = regions.as_ref().map_or_else(|| vec![("AWS_ENDPOINT_URL_STS", stage.sts.url())], Regions::variables);
    let places = Places::new(stage, number);
    fs::create_dir_all(stage.path(DIRECTORY)).expect("made");
    for block in section {
        if let Some(file) = &block.file {
            stage.write(&format!("{DIRECTORY}/{file}"), &places.here(&block.text));
        }
    }
    let steps: Vec<_> = section.iter().filter(|block| is_run(block)).flat_map(|block| steps(block)).collect();
    if steps.iter().any(|step| step.command.contains("curl ")) && !has_curl() {
        return Ok(());
    }
    let mut script = PRELUDE.to_owned();
    for (number, step) in steps.iter().enumerate() {
        script.push_str(&format!("printf '{MARK}%s\\n' {number}\n{}", places.here(&step.command)));
    }
    let (ended_well, output) = shell(stage, sts, &places, &script);
    check(&section[0].heading, &steps, ended_well, &places.in_readme(&output))
}

fn has_curl() -> bool {
    Command::new("curl").arg("--version").stdout(Stdio::null()).status().is_ok()
}

/// Runs a script; returns whether it succeeded, and its output.
fn shell(stage: &Stage, sts: Vec<(&str, String)>, places: &Places, script: &str) -> (bool, String) {
    let bin = stage.write("bin/aws", AWS).parent().expect("a directory").to_owned();
    fs::set_permissions(bin.join("aws"), fs::Permissions::from_mode(0o755)).expect("executable");
    std::os::unix::fs::symlink(crate::support::binary(), bin.join("credvend")).expect("linked");
    let (mut reader, writer) = std::io::pipe().expect("a pipe");
    let mut child = Command::new("sh")
        .args(["-c", script])
        .current_dir(stage.path(DIRECTORY))
        .env_clear()
        .env("PATH", format!("{}:/usr/local/bin:/usr/bin:/bin", bin.display()))
        .env("HOME", stage.directory())
        .env("AWS_ROLE_ARN", ROLE_A)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", stage.tokens.token_file())
        .env("AWS_REGION", "eu-central-1")
        .envs(sts)
        .env("CREDVEND_LISTEN", places.here("127.0.0.1:9911"))
        .stdin(Stdio::null())
        .stderr(writer.try_clone().expect("cloned"))
        .stdout(writer)
        .process_group(0)
        .spawn()
        .expect("sh starts");
    let reading = thread::spawn(move || {
        let mut output = String::new();
        reader.read_to_string(&mut output).map(|_| output)
    });
    let group = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw).expect("a process ID");
    let end = Instant::now() + DEADLINE;
    let status = loop {
        match child.try_wait().expect("waited for") {
            Some(status) => break Some(status),
            None if Instant::now() > end => break None,
            None => thread::sleep(std::time::Duration::from_millis(10)),
        }
    };
    // Ends the processes that a failed or hanging section leaves behind.
    let _ = rustix::process::kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    let output = reading.join().expect("read").expect("UTF-8");
    (status.is_some_and(|status| status.success()), output)
}

/// Compares the output of each step with README.md.
fn check(heading: &str, steps: &[Step], ended_well: bool, output: &str) -> Result<(), String> {
    let mut outputs = output.split(MARK);
    let before = outputs.next().unwrap_or_default();
    let outputs: Vec<&str> = outputs.map(|output| output.split_once('\n').map_or("", |(_, text)| text)).collect();
    for (step, printed) in steps.iter().zip(&outputs) {
        let Some(expected) = &step.expected else { continue };
        let printed: Vec<&str> = printed.lines().map(str::trim_end).collect();
        let expected: Vec<&str> = expected.iter().map(|line| line.trim_end()).collect();
        if !lines_match(&expected, &printed) {
            return Err(format!(
                "README.md:{}, {heading}: `{}` printed other lines:\n{}",
                step.line,
                step.command.trim_end(),
                printed.join("\n")
            ));
        }
    }
    if ended_well && outputs.len() == steps.len() {
        return Ok(());
    }
    let last = outputs.len().checked_sub(1).and_then(|last| steps.get(last));
    let (line, command) = last.map_or((0, ""), |step| (step.line, step.command.trim_end()));
    let printed = outputs.last().copied().unwrap_or(before);
    Err(format!("README.md:{line}, {heading}: `{command}` failed:\n{printed}"))
}

/// Returns true if the lines match; `…` on a line of its own matches any number of lines.
pub(super) fn lines_match(expected: &[&str], printed: &[&str]) -> bool {
    match (expected, printed) {
        ([], []) => true,
        (["…", rest @ ..], _) => (0..=printed.len()).any(|skipped| lines_match(rest, &printed[skipped..])),
        ([expected, rest @ ..], [printed, others @ ..]) => line_matches(expected, printed) && lines_match(rest, others),
        _ => false,
    }
}

/// Returns true if the line matches; `…` matches any text.
fn line_matches(expected: &str, printed: &str) -> bool {
    let Some((begin, rest)) = expected.split_once('…') else { return expected == printed };
    let Some(printed) = printed.strip_prefix(begin) else { return false };
    let ends = printed.char_indices().map(|(at, _)| at).chain([printed.len()]);
    ends.into_iter().any(|at| line_matches(rest, &printed[at..]))
}

#[test]
fn config_files_are_valid() {
    let files: Vec<_> = fenced().into_iter().filter(|block| block.language == "ini").collect();
    assert!(files.len() > 2, "{files:?}");
    for block in files {
        let stage = Stage::new();
        let config = Places::new(&stage, 99).here(&block.text);
        let sections = config.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'));
        let profiles = sections.map(|name| name.strip_prefix("profile ").unwrap_or(name));
        let check = stage.bare(&["check", "--offline", "--config"]).arg(stage.write("config", &config));
        let check = profiles.fold(check, |check, profile| check.arg("--profile").arg(profile));
        // Sets the variables that `credential_source` reads.
        let check = check.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://169.254.170.23/v1/credentials");
        let ended = check.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "x").end();
        assert_eq!(ended.code, Some(0), "README.md:{}: {ended:?}", block.line);
    }
}

#[test]
fn every_code_block_is_tested_or_excluded() {
    let blocks = fenced();
    for block in &blocks {
        let at = format!("README.md:{}", block.line);
        match block.language.as_str() {
            "sh" | "console" | "yaml" | "ini" => {}
            "json" => {
                serde_json::from_str::<serde_json::Value>(&block.text).unwrap_or_else(|error| panic!("{at}: {error}"));
            }
            "text" => {
                let is_command = |line: &str| line.starts_with("$ ") || line.starts_with("credvend ");
                assert!(!block.text.lines().any(is_command), "{at}: commands belong in sh or console blocks");
            }
            other => panic!("{at}: no test covers the language {other:?}"),
        }
    }
    for (begin, reason) in NOT_RUN {
        let is_needed = blocks.iter().any(|block| reason_not_to_run(block) == Some(begin));
        assert!(is_needed, "no block starts with {begin:?}; remove the exclusion ({reason})");
    }
}
