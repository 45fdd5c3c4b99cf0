//! `credvend status`: prints the status of a running `credvend run` as a table or as JSON.

use std::{ffi::OsStr, path::Path, time::Duration};

use hyper::StatusCode;
use zeroize::Zeroizing;

use crate::{
    cli::{ListenArgs, TokenArgs},
    clock::{Clock as _, SystemClock},
    command::{
        CommandError, Exit,
        health::server_address,
        output::{Lines, print_json_line, print_lines},
    },
    http::{authorization, listeners::Listeners, loopback},
    observe::status::{ProfileStatus, Status},
    settings::{environment::Environment, errors::ConfigErrors, setting::pick},
    trusted_path::Planted,
};

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output format: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,

    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    listeners: ListenArgs,
}

/// Prints the status.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    if !["text", "json"].contains(&args.format.as_str()) {
        return Err(ConfigErrors::one("--format must be text or json").into());
    }
    let address = server_address(&Listeners::parse(&args.listeners, env)?)?;
    let mut status = Status { profiles: Vec::new() };
    let tokens = tokens(&args.token, env)?;
    let mut refused = 0;
    for token in &tokens {
        let clock = SystemClock::new();
        let response = tokio::select! {
            response = loopback::get(address, "/v1/status", token.as_deref().map(String::as_str)) => response,
            () = clock.sleep(TIMEOUT) => Err(format!("no response within {} s", TIMEOUT.as_secs())),
        };
        let failed = |reason: &str| CommandError::new(Exit::Other, format!("no status from {address}: {reason}"));
        let body = match response {
            Ok((StatusCode::OK, body)) => body,
            // A directory can contain the token of a profile that no longer exists.
            Ok((StatusCode::UNAUTHORIZED, _)) if refused + 1 < tokens.len() => {
                refused += 1;
                continue;
            }
            Ok((StatusCode::UNAUTHORIZED, _)) => {
                return Err(failed("it requires an authorization token; specify the token with --auth-token-file"));
            }
            Ok((status, _)) => {
                return Err(failed(&format!("HTTP {status}; check that credvend run is listening there")));
            }
            Err(error) => return Err(failed(&format!("{error}; check that credvend run is listening there"))),
        };
        let part: Status = serde_json::from_slice(&body)
            .map_err(|_| failed("invalid response; check that credvend run is listening there"))?;
        // The token of a profile gives access only to the status of that profile.
        status.profiles.extend(part.profiles);
    }
    if args.format == "json" {
        return print_json_line(&status);
    }
    print_lines(&table(&status.profiles))
}

/// Returns the authorization tokens, or a single `None` if no file or directory is set.
fn tokens(args: &TokenArgs, env: &dyn Environment) -> Result<Vec<Option<Zeroizing<String>>>, CommandError> {
    let read = |path: &Path| {
        let token = authorization::read_for_client(path).map_err(|error| {
            let file = format!("cannot read authorization token file {}", path.display());
            match Planted::in_read_error(&error) {
                Some(planted) => CommandError::new(Exit::Sink, format!("{file}: {planted}; {}", Planted::HELP)),
                None => CommandError::new(Exit::Other, format!("{file}: {error}; check that credvend run uses it")),
            }
        })?;
        Ok::<_, CommandError>(Some(token))
    };
    let file = pick(args.auth_token_file.as_ref(), "--auth-token-file", env, &["CREDVEND_AUTH_TOKEN_FILE"]);
    let directory = pick(args.auth_token_dir.as_ref(), "--auth-token-dir", env, &["CREDVEND_AUTH_TOKEN_DIR"]);
    match (file, directory) {
        (Some(file), _) => Ok(vec![read(Path::new(&file.text))?]),
        (None, Some(directory)) => {
            let entries = std::fs::read_dir(&directory.text).map_err(|error| {
                let line = format!(
                    "{}: cannot read directory {}: {}; check that credvend run uses it",
                    directory.origin,
                    directory.text,
                    error.kind()
                );
                CommandError::new(Exit::Other, line)
            })?;
            // Temporary files start with a dot; no profile name does.
            let is_temporary = |name: &OsStr| name.as_encoded_bytes().starts_with(b".");
            let entries = entries.flatten().filter(|entry| !is_temporary(&entry.file_name()));
            let mut paths: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
            paths.sort();
            if paths.is_empty() {
                let line = format!(
                    "{}: directory {} has no authorization tokens; check that credvend run uses it",
                    directory.origin, directory.text
                );
                return Err(CommandError::new(Exit::Other, line));
            }
            paths.iter().map(|path| read(path)).collect()
        }
        (None, None) => Ok(vec![None]),
    }
}

fn table(profiles: &[ProfileStatus]) -> Lines {
    let header = ["PROFILE", "STATE", "EXPIRES", "NEXT ATTEMPT", "ROLE"].map(str::to_owned);
    let rows = profiles.iter().map(|profile| {
        let in_seconds =
            |seconds: Option<u64>| seconds.map_or("-".into(), |seconds| format!("in {}", format_duration(seconds)));
        let state = match (profile.ready, &profile.last_error) {
            (true, None) if profile.stale => "ready, stale",
            (true, None) => "ready",
            (true, Some(_)) if profile.stale => "ready, stale, refresh failing",
            (true, Some(_)) => "ready, refresh failing",
            (false, Some(_)) => "failing",
            (false, None) => "waiting",
        };
        [
            profile.name.clone(),
            state.into(),
            in_seconds(profile.remaining_seconds),
            in_seconds(profile.next_attempt_seconds),
            profile.role_arn.clone().unwrap_or_else(|| "-".into()),
        ]
    });
    let rows: Vec<_> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths = [0, 1, 2, 3, 4].map(width);
    let mut text = Lines::default();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.line(cells.join("  ").trim_end());
    }
    for profile in profiles {
        if profile.stale {
            text.gap();
            text.line(&format!(
                "{}: the credentials are those of a previous configuration; the configured role is {}",
                profile.name,
                profile.configured_role_arn.as_deref().unwrap_or("-")
            ));
        }
        if let Some(error) = &profile.last_error {
            text.gap();
            text.line(&format!("{}: {} failed attempts, last error: {error}", profile.name, profile.failed_attempts));
        }
    }
    text
}

/// Formats a duration with its two largest units.
fn format_duration(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}
