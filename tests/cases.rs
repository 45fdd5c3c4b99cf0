//! Runs every `tests/cases/NAME.toml` as a test of its own: `cargo test NAME` runs one case, `cargo test --test cases` all.
//!
//! A case starts credvend once and checks what it prints and which calls it makes. To add a case, add a file:
//!
//! ```toml
//! # One sentence that says what the case shows.
//! args = ["export", "--profile", "app"]    # the arguments
//!
//! [env]                                    # the whole environment: nothing is inherited
//! AWS_CONFIG_FILE = "{dir}/config"
//! AWS_ENDPOINT_URL_STS = "{sts}"
//! CREDVEND_LOG = "warn"
//!
//! [files]                                  # files to create in the scratch directory, by relative path
//! config = '''
//! [profile app]
//! role_arn = arn:aws:iam::111111111111:role/account-a-role
//! web_identity_token_file = {token}
//! '''
//!
//! [[faults]]                               # faults of the local STS, in order: see `local_sts::Fault`
//! action = "AssumeRoleWithWebIdentity"
//! kind = "throttle"
//!
//! [expect]
//! exit = 0                                 # the exit code
//! stdout = ["export AWS_ACCESS_KEY_ID="]   # texts that stdout contains
//! stderr = ["Throttling"]                  # texts that stderr contains; after a failure, its last line contains them
//! absent = ["AKIA"]                        # texts that neither stdout nor stderr contains
//! calls = ["AssumeRoleWithWebIdentity", "AssumeRoleWithWebIdentity"]    # the actions of all calls to STS, in order
//! absent_parameters = ["Policy"]           # parameters that the last call does not have
//!
//! [expect.parameters]                      # parameters of the last call
//! RoleArn = "arn:aws:iam::111111111111:role/account-a-role"
//! ```
//!
//! `args` and `expect.exit` are required. `{dir}`, `{token}` and `{sts}` stand for the scratch directory, the path of the web
//! identity token and the URL of the local STS.
#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the environment variable that names the binary"
)]

/// The support code of the integration tests.
#[allow(dead_code, unused_imports, reason = "the `it` tests use all of it, and report what is unused there")]
#[path = "it"]
mod it {
    pub(crate) mod support;
}

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use libtest_mimic::{Arguments, Failed, Trial};
use local_sts::Fault;
use serde::Deserialize;

use it::support::{Credvend, Ended, Stage};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    args: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    faults: Vec<Fault>,
    expect: Expected,
}

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
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    absent_parameters: Vec<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = fs::read_dir(&directory).expect("tests/cases is readable");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("tests/cases is readable").path()).collect();
    // Editors keep hidden files next to the file that they edit.
    paths.retain(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")));
    assert!(!paths.is_empty(), "there are no cases in {}", directory.display());
    paths.sort();
    let trials = paths.into_iter().map(|path| {
        let name = path.file_stem().expect("a directory entry has a name").to_string_lossy().into_owned();
        Trial::test(name, move || run(&path))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn run(path: &Path) -> Result<(), Failed> {
    if path.extension() != Some(OsStr::new("toml")) {
        return Err(format!("{} is not a case: the name of a case ends in .toml", path.display()).into());
    }
    let stage = Stage::new();
    let text = fs::read_to_string(path)?
        .replace("{dir}", &stage.directory().display().to_string())
        .replace("{token}", &stage.tokens.token_file().display().to_string())
        .replace("{sts}", &stage.sts.url());
    let case: Case = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    for (name, content) in &case.files {
        stage.write(name, content);
    }
    stage.sts.inject(case.faults);

    let arguments: Vec<&str> = case.args.iter().map(String::as_str).collect();
    let credvend = case.env.iter().fold(Credvend::new(&arguments), |command, (name, value)| command.env(name, value));
    let ended = credvend.end();
    stage.refuse_leaks(&ended.stderr);
    let problems = case.expect.problems(&ended, &stage);
    if problems.is_empty() {
        return Ok(());
    }
    let Ended { stdout, stderr, .. } = &ended;
    Err(format!("{}\nstdout:\n{stdout}\nstderr:\n{stderr}", problems.join("\n")).into())
}

impl Expected {
    /// Returns every difference from the result.
    fn problems(&self, ended: &Ended, stage: &Stage) -> Vec<String> {
        let mut problems = Vec::new();
        if ended.code != Some(self.exit) {
            problems.push(format!("the exit code is {:?} instead of {}", ended.code, self.exit));
        }
        // The last line must explain a failure.
        let (place, explanation) = match self.exit {
            0 => ("stderr", ended.stderr.as_str()),
            _ => ("the last line of stderr", ended.last_line()),
        };
        for (place, output, texts) in
            [("stdout", ended.stdout.as_str(), &self.stdout), (place, explanation, &self.stderr)]
        {
            let missing = texts.iter().filter(|text| !output.contains(*text));
            problems.extend(missing.map(|text| format!("{place} does not contain {text:?}")));
        }
        for (stream, output) in [("stdout", &ended.stdout), ("stderr", &ended.stderr)] {
            let present = self.absent.iter().filter(|text| output.contains(*text));
            problems.extend(present.map(|text| format!("{stream} contains {text:?}")));
        }
        if let Some(calls) = self.calls.as_ref().filter(|calls| **calls != stage.actions()) {
            problems.push(format!("the calls are {:?} instead of {calls:?}", stage.actions()));
        }
        let parameters = stage.sts.requests().pop().map(|request| request.parameters).unwrap_or_default();
        let present = self.parameters.iter().map(|(name, value)| (name, Some(value)));
        for (name, expected) in present.chain(self.absent_parameters.iter().map(|name| (name, None))) {
            let actual = parameters.get(name);
            if actual != expected {
                problems.push(format!("the parameter {name} is {actual:?} instead of {expected:?}"));
            }
        }
        problems
    }
}
