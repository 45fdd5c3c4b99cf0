//! `tests/cases/<name>/`: a new case is a new folder.
//!
//! - `args`: one argument a line
//! - `env.json`: the environment, beside nothing at all
//! - `fs/`: files that are laid out in the scratch directory
//! - `sts.json`: faults for the local STS
//! - `expect.json`: `exit`; `stdout` and `stderr`, words that must appear; `absent`, words that must not; `calls`, the actions
//!   that reached STS; `parameters`, form fields of the last of them (null: must be absent)
//!
//! In all of them `{dir}`, `{token}` and `{sts}` stand for the scratch directory, the projected token's file and STS's URL.

use std::{collections::BTreeMap, fs, path::Path};

use local_sts::Fault;
use serde::Deserialize;

use crate::support::{Credvend, Stage};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    exit: i32,
    #[serde(default)]
    stdout: Vec<String>,
    #[serde(default)]
    stderr: Vec<String>,
    #[serde(default)]
    absent: Vec<String>,
    calls: Option<Vec<String>>,
    #[serde(default)]
    parameters: BTreeMap<String, Option<String>>,
}

#[test]
fn every_case() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut names: Vec<_> = fs::read_dir(&cases).expect("cases").map(|entry| entry.expect("an entry").path()).collect();
    names.sort();
    assert!(!names.is_empty());
    let failed: Vec<_> = names.iter().filter_map(|case| run(case).err()).collect();
    assert!(failed.is_empty(), "{} of {} cases:\n{}", failed.len(), names.len(), failed.join("\n"));
}

fn run(case: &Path) -> Result<(), String> {
    let name = case.file_name().expect("a name").to_string_lossy().into_owned();
    let stage = Stage::new();
    let fill = |text: &str| {
        text.replace("{dir}", &stage.path("").display().to_string())
            .replace("{token}", &stage.tokens.token_file().display().to_string())
            .replace("{sts}", &stage.sts.url())
    };
    let read = |file: &str| fs::read_to_string(case.join(file)).ok().map(|text| fill(&text));
    copy(&case.join("fs"), &case.join("fs"), &stage, &fill);
    if let Some(faults) = read("sts.json") {
        stage
            .sts
            .inject(serde_json::from_str::<Vec<Fault>>(&faults).map_err(|error| format!("{name}: sts.json: {error}"))?);
    }
    let arguments = read("args").unwrap_or_default();
    let arguments: Vec<&str> = arguments.lines().collect();
    let environment: BTreeMap<String, String> = serde_json::from_str(&read("env.json").unwrap_or_else(|| "{}".into()))
        .map_err(|error| format!("{name}: env.json: {error}"))?;
    let credvend = environment.iter().fold(Credvend::new(&arguments), |command, (key, value)| command.env(key, value));
    let expected: Expected = serde_json::from_str(&read("expect.json").ok_or(format!("{name}: no expect.json"))?)
        .map_err(|error| format!("{name}: expect.json: {error}"))?;

    let ended = credvend.end();
    stage.refuse_leaks(&ended.stderr);
    let mut wrong = Vec::new();
    if ended.code != Some(expected.exit) {
        wrong.push(format!("exit {:?}, not {}", ended.code, expected.exit));
    }
    // A failure is told in the last line.
    let told = if expected.exit == 0 { ended.stderr.as_str() } else { ended.last_line() };
    for (stream, text, words) in
        [("stdout", ended.stdout.as_str(), &expected.stdout), ("stderr", told, &expected.stderr)]
    {
        wrong.extend(
            words.iter().filter(|word| !text.contains(*word)).map(|word| format!("{word:?} is missing on {stream}")),
        );
    }
    let all = format!("{}{}", ended.stdout, ended.stderr);
    wrong.extend(expected.absent.iter().filter(|word| all.contains(*word)).map(|word| format!("{word:?} was written")));
    if expected.calls.as_ref().is_some_and(|calls| *calls != stage.actions()) {
        wrong.push(format!("calls {:?}", stage.actions()));
    }
    let last = stage.sts.requests().pop().map(|request| request.parameters).unwrap_or_default();
    for (field, value) in &expected.parameters {
        if last.get(field) != value.as_ref() {
            wrong.push(format!("{field} was {:?}", last.get(field)));
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{name}: {}\n  stderr: {}", wrong.join("; "), ended.stderr)) }
}

fn copy(from: &Path, root: &Path, stage: &Stage, fill: &impl Fn(&str) -> String) {
    let Ok(entries) = fs::read_dir(from) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() {
            copy(&path, root, stage, fill);
        } else {
            let name = path.strip_prefix(root).expect("below").to_str().expect("UTF-8");
            stage.write(name, &fill(&fs::read_to_string(&path).expect("read")));
        }
    }
}
