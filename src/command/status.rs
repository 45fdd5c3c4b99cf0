//! `credvend status`: prints the status of a running `credvend run` as a table or as JSON.

use std::{ffi::OsStr, net::SocketAddr, path::Path, time::Duration};

use hyper::StatusCode;
use zeroize::Zeroizing;

use crate::{
    arn::{NotValid, parse_duration},
    cli::{ListenArgs, TokenArgs},
    clock::{Clock as _, SystemClock},
    command::{
        CommandError, Exit,
        health::server_address,
        output::{Lines, is_json, json_line, print_json_line, print_lines, print_until_closed},
        terminal::{Style, Terminal},
    },
    credentials::Expiry,
    http::{authorization, listeners::Listeners, loopback},
    observe::status::{ProfileStatus, STATUS_PATH, Status},
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{pick, shown},
    },
    trusted_path::Planted,
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// The shortest interval of `--watch`.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// Spaces between two columns.
const GAP: usize = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Output format: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,

    /// Show the status again after each interval, until a signal such as Ctrl-C; 2s if no interval is given
    #[arg(long, value_name = "INTERVAL", num_args = 0..=1, default_missing_value = "2s")]
    watch: Option<String>,

    #[command(flatten)]
    token: TokenArgs,

    #[command(flatten)]
    listeners: ListenArgs,
}

/// Prints the status, once or repeatedly.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    let as_json = is_json(&args.format)?;
    let address = server_address(&Listeners::parse(&args.listeners, env)?)?;
    if let Some(text) = &args.watch {
        let interval = parse_duration(text)
            .and_then(|length| match length < SHORTEST_INTERVAL {
                true => Err(NotValid::new("must be 100ms or more")),
                false => Ok(length),
            })
            .map_err(|error| ConfigErrors::one(format!("{} {error}", shown("--watch", text))))?;
        return watch(args, as_json, env, address, interval).await;
    }
    let status = fetch(args, env, address).await?;
    if as_json {
        return print_json_line(&status);
    }
    let mut text = Lines::on(Terminal::on_stdout(env));
    table(&status.profiles, &mut text);
    print_lines(&text)
}

/// Prints the status after each interval. A failure is shown and does not end the command, because `credvend run` may be restarting.
/// The command ends if the reader of its output does.
async fn watch(
    args: &Args,
    as_json: bool,
    env: &dyn Environment,
    address: SocketAddr,
    interval: Duration,
) -> Result<(), CommandError> {
    let clock = SystemClock::new();
    let mut is_first = true;
    loop {
        let status = fetch(args, env, address).await;
        let text = match (status, as_json) {
            (Ok(status), true) => json_line(&status),
            (Err(error), true) => {
                tracing::error!("{}", error.line);
                String::new()
            }
            (status, false) => {
                // The size can have changed.
                let terminal = Terminal::on_stdout(env);
                let mut text = Lines::on(terminal);
                let every = args.watch.as_deref().unwrap_or_default();
                let title = format!("{}  {address}, every {every}", Expiry::from(clock.now().wall));
                text.entry(&[(&title, Style::Dim)], "", 0);
                match status {
                    Ok(status) => table(&status.profiles, &mut text),
                    Err(error) => text.entry(&[("error: ", Style::Red)], &error.line, 2),
                }
                match terminal.filter(|terminal| terminal.can_redraw) {
                    Some(terminal) => frame(&text, terminal, is_first),
                    None => format!("{}{text}", if is_first { "" } else { "\n" }),
                }
            }
        };
        if !print_until_closed(&text)? {
            return Ok(());
        }
        is_first = false;
        clock.sleep(interval).await;
    }
}

/// Returns the sequences that replace the content of the terminal by `text`. A line that is too long is cut instead of broken while
/// the frame is drawn, so that each line takes one row.
fn frame(text: &Lines, terminal: Terminal, is_first: bool) -> String {
    let mut frame = String::from(if is_first { "\u{1b}[2J\u{1b}[H\u{1b}[?7l" } else { "\u{1b}[H\u{1b}[?7l" });
    // The cursor stays in the last row.
    for line in text.first(terminal.rows.saturating_sub(1)) {
        frame.extend([line, "\u{1b}[K\r\n"]);
    }
    frame + "\u{1b}[J\u{1b}[?7h"
}

/// Requests the status of all profiles.
async fn fetch(args: &Args, env: &dyn Environment, address: SocketAddr) -> Result<Status, CommandError> {
    let mut status = Status { profiles: Vec::new() };
    let tokens = tokens(&args.token, env)?;
    let mut refused = 0;
    for token in &tokens {
        let clock = SystemClock::new();
        let response = tokio::select! {
            response = loopback::get(address, STATUS_PATH, token.as_deref().map(String::as_str)) => response,
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
    Ok(status)
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

/// Adds a table of the profiles, then the details of those with a problem. A terminal that is too narrow shows roles as
/// `ACCOUNT:NAME`, or below their profiles.
fn table(profiles: &[ProfileStatus], text: &mut Lines) {
    let columns = text.columns().unwrap_or(usize::MAX);
    let mut rows = vec![(["PROFILE", "STATE", "EXPIRES", "NEXT ATTEMPT", "ROLE"].map(str::to_owned), Style::Bold)];
    rows.extend(profiles.iter().map(row));
    let widths = |rows: &[([String; 5], Style)]| {
        [0, 1, 2, 3, 4].map(|column| rows.iter().map(|(row, _)| row[column].chars().count()).max().unwrap_or_default())
    };
    let total = |widths: [usize; 5]| widths.iter().sum::<usize>() + 4 * GAP;
    if total(widths(&rows)) > columns {
        for (row, _) in &mut rows {
            row[4] =
                row[4].split_once("::").map_or_else(|| row[4].clone(), |(_, rest)| rest.replacen(":role/", ":", 1));
        }
    }
    let mut widths = widths(&rows);
    let is_too_narrow = total(widths) > columns;
    if is_too_narrow {
        widths[0] =
            widths[0].min(columns.saturating_sub(widths[1] + widths[2] + widths[3] + 3 * GAP)).max("PROFILE".len());
    }
    for (number, ([name, state, expires, next, role], style)) in rows.iter().enumerate() {
        let cell = |cell: &str, column: usize| format!("{cell:<0$}", widths[column] + GAP);
        let is_header = number == 0;
        let name_style = if is_header { Style::Bold } else { Style::Plain };
        let head = [
            (cell(&shortened(name, widths[0]), 0), name_style),
            (cell(state, 1), *style),
            (cell(expires, 2) + &cell(next, 3), name_style),
            (if is_too_narrow { String::new() } else { role.clone() }, name_style),
        ];
        text.entry(&head.each_ref().map(|(part, style)| (part.as_str(), *style)), "", 0);
        if let (true, Some(profile)) = (is_too_narrow, number.checked_sub(1).map(|index| &profiles[index])) {
            text.entry(&[("  ", Style::Plain)], profile.role_arn.as_deref().unwrap_or("-"), GAP);
        }
    }
    for profile in profiles {
        let name = format!("{}: ", profile.name);
        let configured = profile.configured_role_arn.as_deref().unwrap_or("-");
        let stale = profile.stale.then(|| {
            format!("the credentials are those of a previous configuration; the configured role is {configured}")
        });
        let served_by = profile.sts_region.as_deref().filter(|_| !profile.failed_sts_regions.is_empty());
        let served_by = served_by.map(|region| {
            let failed = profile.failed_sts_regions.join(", ");
            format!("the STS of the fallback region {region} issued the credentials, because that of {failed} failed")
        });
        let failure = profile.last_error.as_ref();
        let failure = failure.map(|error| format!("{} failed attempts, last error: {error}", profile.failed_attempts));
        for detail in [stale, served_by, failure].into_iter().flatten() {
            text.gap();
            text.entry(&[(&name, Style::Bold)], &detail, GAP);
        }
    }
}

/// Returns the cells of a profile and the style of its state.
fn row(profile: &ProfileStatus) -> ([String; 5], Style) {
    let in_seconds =
        |seconds: Option<u64>| seconds.map_or("-".into(), |seconds| format!("in {}", format_duration(seconds)));
    let (state, style) = match (profile.ready, &profile.last_error) {
        (true, None) if profile.stale => ("ready, stale", Style::Yellow),
        (true, None) => ("ready", Style::Green),
        (true, Some(_)) if profile.stale => ("ready, stale, refresh failing", Style::Yellow),
        (true, Some(_)) => ("ready, refresh failing", Style::Yellow),
        (false, Some(_)) => ("failing", Style::Red),
        (false, None) => ("waiting", Style::Yellow),
    };
    let cells = [
        profile.name.clone(),
        state.into(),
        in_seconds(profile.remaining_seconds),
        in_seconds(profile.next_attempt_seconds),
        profile.role_arn.clone().unwrap_or_else(|| "-".into()),
    ];
    (cells, style)
}

/// Returns a name of at most `length` characters, with an ellipsis in place of its middle.
fn shortened(name: &str, length: usize) -> String {
    let count = name.chars().count();
    if count <= length {
        return name.to_owned();
    }
    let end = length.saturating_sub(1) / 2;
    let start = length.saturating_sub(1 + end);
    name.chars().take(start).chain(['…']).chain(name.chars().skip(count - end)).collect()
}

/// Formats a duration with its two largest units.
fn format_duration(seconds: u64) -> String {
    match (seconds / 3600, seconds % 3600 / 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m {seconds}s"),
        (hours, minutes, _) => format!("{hours}h {minutes}m"),
    }
}
