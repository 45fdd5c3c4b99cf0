//! `credvend explain`: says which credentials each AWS SDK would use in the surroundings of an application, and why.

use std::process::ExitCode;

use serde::Serialize;

use crate::{
    command::{
        CommandError, Exit,
        output::{Lines, is_json, print_json_line, print_lines},
        terminal::wrap,
    },
    explain::{Explanation, Note, SDKS, Sdk, Surroundings, explain},
    settings::{environment::Environment, errors::ConfigErrors, setting::shown},
};

/// Width of the text output, in characters.
const WIDTH: usize = 80;

#[derive(Debug, clap::Args)]
#[command(after_long_help = "Examples:
  # In the container of an application, with the binary from a shared volume
  /credvend-shared/credvend explain

  # From an ephemeral container, for the first process of the container app
  kubectl debug -it POD --target=app --image=IMAGE -- /credvend explain --pid 1

Exit codes:
  0  each SDK would use credvend
  1  at least one SDK would not
  2  usage error, or the process cannot be examined")]
pub(crate) struct Args {
    /// Examine this process through /proc, instead of the environment and the files of credvend itself
    #[arg(long, value_name = "PID")]
    pid: Option<String>,

    /// Explain only this SDK or program; repeat the flag for more
    #[arg(long, value_name = "NAME")]
    sdk: Vec<String>,

    /// Output format: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,
}

/// Prints the explanation of each SDK.
pub(super) fn run(args: &Args, env: &dyn Environment) -> Result<ExitCode, CommandError> {
    let as_json = is_json(&args.format)?;
    let sdks = selected(&args.sdk)?;
    let surroundings = match &args.pid {
        None => Surroundings::of_this_process(env),
        Some(pid) if pid.is_empty() || !pid.bytes().all(|byte| byte.is_ascii_digit()) => {
            return Err(ConfigErrors::one(format!("{} must be a number", shown("--pid", pid))).into());
        }
        Some(pid) => Surroundings::of_process(env, pid).map_err(|error| CommandError::new(Exit::Usage, error))?,
    };
    let explanations: Vec<_> = sdks.into_iter().map(|sdk| explain(sdk, &surroundings)).collect();
    if as_json {
        print_json_line(&Wire { sdks: explanations.iter().map(WireSdk::of).collect() })?;
    } else {
        print_lines(&text(&explanations))?;
    }
    let all = explanations.iter().all(Explanation::uses_credvend);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::from(Exit::Other as u8) })
}

/// Returns the SDKs with these names; all if there are no names.
fn selected(names: &[String]) -> Result<Vec<&'static Sdk>, ConfigErrors> {
    let mut sdks: Vec<_> = SDKS.iter().collect();
    if names.is_empty() {
        return Ok(sdks);
    }
    if let Some(unknown) = names.iter().find(|name| !SDKS.iter().any(|sdk| sdk.id == **name)) {
        let known: Vec<_> = SDKS.iter().map(|sdk| sdk.id).collect();
        return Err(ConfigErrors::one(format!(
            "{} is unknown; use one of: {}",
            shown("--sdk", unknown),
            known.join(", ")
        )));
    }
    sdks.retain(|sdk| names.iter().any(|name| sdk.id == *name));
    Ok(sdks)
}

/// Returns a table with the source of each SDK, and below it each remark with the SDKs that it concerns.
fn text(explanations: &[Explanation]) -> Lines {
    let mut text = Lines::default();
    text.line("SDK OR PROGRAM    CREDVEND  SOURCE");
    for explanation in explanations {
        let answer = if explanation.uses_credvend() { "yes" } else { "no" };
        let source = match &explanation.winner {
            None => "nothing".to_owned(),
            Some(winner) => {
                let fault = if winner.fault.is_some() { " (does not work)" } else { "" };
                format!("{}{fault}", winner.source.title())
            }
        };
        text.line(&format!("{:<16}  {answer:<8}  {source}", explanation.sdk.name));
        let role_arn = explanation.winner.as_ref().and_then(|winner| winner.role_arn.as_ref());
        if let Some(role_arn) = role_arn {
            wrapped(&mut text, 28, 28, role_arn);
        }
    }
    let mut notes: Vec<(&Note, Vec<&str>)> = Vec::new();
    for explanation in explanations {
        for note in &explanation.notes {
            match notes.iter_mut().find(|(other, _)| *other == note) {
                Some((_, names)) => names.push(explanation.sdk.name),
                None => notes.push((note, vec![explanation.sdk.name])),
            }
        }
    }
    for (note, mut names) in notes {
        names.dedup();
        text.gap();
        wrapped(&mut text, 0, 2, &note.message);
        wrapped(&mut text, 2, 5, &format!("-> {}", note.help));
        wrapped(&mut text, 2, 2, &format!("concerns {}", names.join(" · ")));
    }
    let unverified = explanations.iter().map(|explanation| explanation.sdk).filter(|sdk| !sdk.is_verified());
    let unverified: Vec<_> = unverified.map(|sdk| sdk.name).collect();
    if !unverified.is_empty() {
        text.gap();
        wrapped(&mut text, 0, 2, &format!("Not compared with the program itself: {}", unverified.join(" · ")));
    }
    text
}

/// Adds a paragraph in lines of at most [`WIDTH`] characters, if its words allow it.
fn wrapped(text: &mut Lines, first_indentation: usize, indentation: usize, paragraph: &str) {
    let lines = wrap(paragraph, WIDTH - first_indentation, WIDTH - indentation);
    for (number, line) in lines.iter().enumerate() {
        let blanks = " ".repeat(if number == 0 { first_indentation } else { indentation });
        text.line(&(blanks + line));
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    sdks: Vec<WireSdk<'a>>,
}

#[derive(Serialize)]
struct WireSdk<'a> {
    sdk: &'a str,
    name: &'a str,
    uses_credvend: bool,
    source: &'a str,
    works: bool,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<&'a str>,
    notes: Vec<WireNote<'a>>,
}

#[derive(Serialize)]
struct WireNote<'a> {
    message: &'a str,
    help: &'a str,
}

impl<'a> WireSdk<'a> {
    fn of(explanation: &'a Explanation) -> Self {
        let winner = explanation.winner.as_ref();
        Self {
            sdk: explanation.sdk.id,
            name: explanation.sdk.name,
            uses_credvend: explanation.uses_credvend(),
            source: winner.map_or("none", |winner| winner.source.id()),
            works: explanation.works(),
            verified: explanation.sdk.is_verified(),
            origin: winner.map(|winner| winner.origin.as_str()),
            role_arn: winner.and_then(|winner| winner.role_arn.as_deref()),
            notes: explanation.notes.iter().map(|note| WireNote { message: &note.message, help: note.help }).collect(),
        }
    }
}
