//! Generates the table of log events from the sources, and that of metrics from a `credvend run` that succeeds and fails in several
//! ways. The events that it logs are in the table.

use std::{collections::BTreeSet, fs, net::SocketAddr};

use local_sts::Fault;

use super::{
    blocks::{assert_current, table},
    log_events,
};
use crate::support::{ROLE_A, Running, Signal, Stage, get, wait_until};

const FIELDS_OF_EVERY_LINE: [&str; 3] = ["timestamp", "level", "message"];

/// Returns a config with a chain from the token to a role with a session policy, and a chain from a `credential_process`.
fn config(stage: &Stage) -> String {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let chain = crate::profiles::CROSS_ACCOUNT
        .replace("[profile account_b_role]\n", &format!("[profile account_b_role]\ncredvend_policy = {policy}\n"));
    let binary = crate::support::binary();
    let token = stage.tokens.token_file().display().to_string();
    format!(
        "{chain}\n[profile by_process]\n\
         credential_process = {binary} process --role-arn {ROLE_A} --web-identity-token-file {token}\n"
    )
}

/// Returns the number of lines logged so far at this level.
fn logged(run: &Running, level: &str) -> usize {
    run.stderr().matches(&format!("\"level\":\"{level}\"")).count()
}

/// Returns the log and the metrics of a `credvend run`.
fn log_and_metrics() -> (String, String) {
    let stage = Stage::new();
    stage.fault(Fault::throttle().forever());
    let (config, shared) = (config(&stage), stage.path("shared"));
    fs::create_dir(&shared).expect("made");
    let arguments = ["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0", "--imds-listen", "127.0.0.1:0"];
    let profiles =
        ["--profile", "account_b_role", "--profile", "by_process", "--log-format", "json", "--log-level", "debug"];
    let run = stage.with_config(&[&arguments[..], &profiles].concat(), &config);
    let run = run.env("CREDVEND_CREDENTIALS_FILE", shared.join("credentials"));
    let run = run.env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization")).start();
    let addresses = listening(&run);
    // Identifies each listener by the paths that it serves, because their order may change.
    let serving = |path: &str| addresses.iter().copied().find(|address| get(*address, path, &[]).status == 200);
    let admin = serving("/metrics").expect("an admin listener");
    let is_endpoint = |address: &SocketAddr| *address != admin && get(*address, "/healthz", &[]).status == 200;
    let address = addresses.iter().copied().find(is_endpoint).expect("an endpoint");
    wait_until("an exchange fails", || run.stderr().contains("exchange failed"));
    stage.sts.clear_faults();
    wait_until("the profiles are ready", || get(address, "/readyz", &[]).status == 200);

    // Sends two requests without an authorization token, and one with a token that was rotated.
    (0..2).for_each(|_| assert_eq!(get(address, "/v1/credentials", &[]).status, 401));
    stage.write("authorization", "rotated");
    assert_eq!(get(address, "/v1/credentials", &["Authorization: rotated"]).status, 200);

    // Deletes the token file, and opens more connections than credvend keeps.
    fs::remove_file(stage.path("authorization")).expect("removed");
    wait_until("the token file is written again", || {
        get(address, "/v1/credentials", &["Authorization: rotated"]).status == 200
            && run.stderr().contains("authorization token file written again")
    });
    let idle = crate::crowds::crowd(address, crate::crowds::CROWD, "");
    wait_until("connections are closed", || run.stderr().contains("too many connections"));
    drop(idle);

    // Loads an invalid configuration, then a valid one while the credentials file cannot be written.
    stage.write("config", "[profile account_b_role\n");
    run.signal(Signal::HUP);
    wait_until("the configuration is refused", || logged(&run, "ERROR") == 1);
    fs::rename(&shared, stage.path("moved")).expect("moved");
    stage.with_config(&[], &config);
    run.signal(Signal::HUP);
    wait_until("the file is not written", || logged(&run, "ERROR") >= 2);
    let metrics = get(admin, "/metrics", &[]).body;

    let log = run.terminate().succeeded().stderr;
    stage.refuse_leaks(&log);
    (log, metrics)
}

/// Returns the log of commands and signals that follow a write, which succeed and fail.
fn reactions(stage: &Stage) -> String {
    let once = ["run", "--once", "--log-format", "json", "--credentials-file"];
    let write = |on_write: &str, signal: &str| {
        let run = stage.credvend(&once).arg(stage.path("credentials")).env("PATH", "/usr/bin:/bin");
        run.arg("--on-write").arg(on_write).arg("--signal").arg(signal).end().succeeded().stderr
    };
    let program = format!("signaled-{}", std::process::id());
    fs::copy("/bin/sleep", stage.path(&program)).expect("copied");
    let mut process = std::process::Command::new(stage.path(&program)).arg("60").spawn().expect("started");
    let log = write("true", &format!("{program}:CONT")) + &write("false", "no-such-program:HUP");
    process.kill().expect("killed");
    process.wait().expect("reaped");
    log
}

/// Returns the addresses of the listeners.
fn listening(run: &Running) -> Vec<SocketAddr> {
    let lines = run.lines(&["\"url\":\"http://127.0.0.1:"], 3);
    let address = |line: &String| {
        let url = line.split("\"url\":\"http://").nth(1).expect("a URL");
        url.split(['/', '"']).next().expect("an authority").parse().expect("an address")
    };
    lines.iter().map(address).collect()
}

#[test]
fn log_events_and_metrics_tables_match_a_run() {
    let (log, metrics) = log_and_metrics();
    let stage = Stage::new();
    let directory = stage.directory();
    let exec = stage.credvend(&["exec", "--log-format", "json", "--log-level", "info", "--", "true"]);
    let exec = exec.env("PATH", "/usr/bin:/bin").env("TMPDIR", "/absent").end().succeeded();
    let reactions = reactions(&stage);
    let regions = crate::regions::rig::Regions::new();
    regions.home.inject(vec![Fault::throttle()]);
    let regions = regions.credvend(&["export", "--log-format", "json", "--log-level", "info"]).end().succeeded();
    let install = stage.credvend(&["install", "--log-format", "json", "--log-level", "info"]).arg(directory);
    let install = install.end().succeeded();

    let mut logged = log_events::Events::new();
    for line in [log, exec.stderr, reactions, regions.stderr, install.stderr].iter().flat_map(|log| log.lines()) {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let text = |key: &str| line[key].as_str().unwrap_or_default().to_owned();
        let fields = line.as_object().expect("an object").keys().cloned();
        let fields = fields.filter(|field| !FIELDS_OF_EVERY_LINE.contains(&field.as_str()));
        logged.entry((text("message"), text("level"))).or_default().extend(fields);
    }
    assert!(logged.len() >= 20, "{logged:?}");
    let events = log_events::in_sources();
    for (event, fields) in &logged {
        let known = events.get(event).unwrap_or_else(|| panic!("{event:?} is not in the sources"));
        assert!(fields.is_subset(known), "{event:?}: {fields:?}, but in the sources {known:?}");
    }
    let code = |words: &BTreeSet<String>| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    let rows =
        events.iter().map(|((message, level), fields)| vec![message.clone(), format!("`{level}`"), code(fields)]);
    assert_current("log events", &table(&["event (`message`)", "`level`", "further fields"], rows));
    assert_current("metrics", &metrics_table(&metrics));
}

/// Returns a table with a row for each metric family of an OpenMetrics text.
fn metrics_table(text: &str) -> String {
    let described = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split_once(' '));
    let rows = described.map(|(name, help)| {
        let kind = text.lines().find_map(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect("a type");
        let labels: BTreeSet<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#') && line.starts_with(name))
            .filter_map(|line| line.split_once('{')?.1.split_once('}'))
            .flat_map(|(labels, _)| labels.split(','))
            .filter_map(|label| Some(label.split_once("=\"")?.0))
            .filter(|label| *label != "le")
            .collect();
        let labels = labels.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        // The names of these families omit the suffix of their samples.
        let suffix = match kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        vec![format!("`{name}{suffix}`"), kind.to_owned(), labels, help.trim_end_matches('.').replace('|', "\\|")]
    });
    let rows: Vec<_> = rows.collect();
    assert!(rows.len() >= 7, "{text}");
    table(&["metric", "type", "labels", "meaning"], rows)
}
