//! `credvend status`: what a running `credvend run` holds, as a table or as JSON.

use std::{ffi::OsStr, fmt::Write as _, path::Path, time::Duration};

use hyper::StatusCode;
use zeroize::Zeroizing;

use crate::{
    bounded_file,
    cli::ListenArgs,
    clock::{Clock as _, SystemClock},
    command::{CommandError, Exit, health::asked, process::print},
    http::{authorization::MAX_TOKEN_LENGTH, listeners::Listeners, loopback},
    observe::status::{ProfileStatus, Status},
    settings::{environment::Environment, errors::ConfigErrors, setting::pick},
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// What `status` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,

    /// The authorization token of run, where it requires one [env: CREDVEND_AUTH_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    auth_token_file: Option<String>,

    /// The authorization tokens of run, one a profile [env: CREDVEND_AUTH_TOKEN_DIR]
    #[arg(long, value_name = "DIR")]
    auth_token_dir: Option<String>,

    #[command(flatten)]
    listeners: ListenArgs,
}

/// Prints the status.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    if !["text", "json"].contains(&args.format.as_str()) {
        return Err(ConfigErrors::one("--format must be text or json").into());
    }
    let address = asked(&Listeners::parse(&args.listeners, env)?)?;
    let mut status = Status { profiles: Vec::new() };
    let tokens = tokens(args, env)?;
    let mut refused = 0;
    for token in &tokens {
        let clock = SystemClock::new();
        let answer = tokio::select! {
            answer = loopback::get(address, "/v1/status", token.as_deref().map(String::as_str)) => answer,
            () = clock.sleep(TIMEOUT) => Err(format!("nothing within {} s", TIMEOUT.as_secs())),
        };
        let failed = |why: &str| CommandError::new(Exit::Other, format!("no status from {address}: {why}"));
        let body = match answer {
            Ok((StatusCode::OK, body)) => body,
            // Of several, one may be left over from a profile that is no more.
            Ok((StatusCode::UNAUTHORIZED, _)) if refused + 1 < tokens.len() => {
                refused += 1;
                continue;
            }
            Ok((StatusCode::UNAUTHORIZED, _)) => {
                return Err(failed("it requires its authorization token; name it with --auth-token-file"));
            }
            Ok((other, _)) => return Err(failed(&format!("HTTP {other}; is it credvend that listens there?"))),
            Err(why) => return Err(failed(&format!("{why}; is credvend run listening there?"))),
        };
        let part: Status = serde_json::from_slice(&body).map_err(|_| failed("its answer is no status"))?;
        // With a token a profile, each shows its own.
        status.profiles.extend(part.profiles);
    }
    if args.format == "json" {
        // Strings and numbers always serialize.
        return print(&format!("{}\n", serde_json::to_string(&status).unwrap_or_default()));
    }
    print(&table(&status.profiles))
}

/// The authorization tokens to ask with; a single `None` where none is named.
fn tokens(args: &Args, env: &dyn Environment) -> Result<Vec<Option<Zeroizing<String>>>, CommandError> {
    let read = |path: &Path| {
        let text = bounded_file::read(path, MAX_TOKEN_LENGTH).map_err(|error| {
            CommandError::new(
                Exit::Other,
                format!("authorization token file {}: {}; is credvend run using it?", path.display(), error.kind()),
            )
        })?;
        Ok::<_, CommandError>(Some(Zeroizing::new(text.trim().to_owned())))
    };
    let file = pick(args.auth_token_file.as_ref(), "--auth-token-file", env, &["CREDVEND_AUTH_TOKEN_FILE"]);
    let directory = pick(args.auth_token_dir.as_ref(), "--auth-token-dir", env, &["CREDVEND_AUTH_TOKEN_DIR"]);
    match (file, directory) {
        (Some(file), _) => Ok(vec![read(Path::new(&file.text))?]),
        (None, Some(directory)) => {
            let entries = std::fs::read_dir(&directory.text).map_err(|error| {
                CommandError::new(Exit::Other, format!("{} {}: {}", directory.origin, directory.text, error.kind()))
            })?;
            // A name with a dot is a temporary file's: no profile has it.
            let is_hidden = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
            let entries = entries.flatten().filter(|entry| !is_hidden(&entry.file_name()));
            let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
            paths.sort();
            if paths.is_empty() {
                let line = format!(
                    "{} {} holds no authorization token; is credvend run using it?",
                    directory.origin, directory.text
                );
                return Err(CommandError::new(Exit::Other, line));
            }
            paths.iter().map(|path| read(path)).collect()
        }
        (None, None) => Ok(vec![None]),
    }
}

fn table(profiles: &[ProfileStatus]) -> String {
    let head = ["PROFILE", "STATE", "EXPIRES", "NEXT ATTEMPT", "ROLE"].map(str::to_owned);
    let rows = profiles.iter().map(|profile| {
        let within = |seconds: Option<u64>| seconds.map_or("-".into(), |seconds| format!("in {}", length(seconds)));
        let state = match (profile.ready, &profile.last_error) {
            (true, None) => "ready",
            (true, Some(_)) => "ready, refresh failing",
            (false, Some(_)) => "failing",
            (false, None) => "waiting",
        };
        [
            profile.name.clone(),
            state.into(),
            within(profile.remaining_seconds),
            within(profile.next_attempt_seconds),
            profile.role_arn.clone().unwrap_or_else(|| "-".into()),
        ]
    });
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    for profile in profiles {
        if let Some(error) = &profile.last_error {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "\n{}: {} failed attempts, the last one: {error}\n",
                profile.name, profile.failed_attempts
            );
        }
    }
    text
}

/// Seconds for people: the two largest units.
fn length(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}
