use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    net::SocketAddr,
    time::{Duration, SystemTime},
};

use local_sts::{Claims, Fault, FaultKind};

use crate::support::{Running, Signal, Stage, get, wait_until};

const RUN: &[&str] = &["run", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];

/// Returns the value of a sample, or `None` if there is no such sample.
fn sample(admin: SocketAddr, name: &str) -> Option<f64> {
    let metrics = get(admin, "/metrics", &[]).body;
    let start = format!("{name} ");
    metrics.lines().find_map(|line| line.strip_prefix(&start)?.parse().ok())
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// Runs with a credentials file in a directory of its own until the profile is ready.
fn run_with_file(stage: &Stage) -> Running {
    fs::create_dir(stage.path("aws")).expect("made");
    let run = stage.credvend(RUN).env("CREDVEND_CREDENTIALS_FILE", stage.path("aws/credentials")).start();
    wait_until("the profile is ready", || get(run.address(), "/readyz", &[]).status == 200);
    run
}

#[test]
fn start_refresh_and_expiry_are_times() {
    let started = now();
    let stage = Stage::new();
    let run = stage.credvend(RUN).start();
    run.line(&["credentials obtained"]);
    let admin = run.admin_address();
    let time = |name: &str| sample(admin, name).unwrap_or_else(|| panic!("no {name}"));
    let start = time("process_start_time_seconds");
    assert!((started - 1.0..=now()).contains(&start), "{start}");
    wait_until("the credentials are published", || {
        sample(admin, "credvend_next_refresh_timestamp_seconds{profile=\"default\"}").is_some()
    });
    let refresh = time("credvend_next_refresh_timestamp_seconds{profile=\"default\"}") - start;
    assert!((1795.0..=2170.0).contains(&refresh), "between 50 % and 60 % of an hour: {refresh}");
    assert_eq!(sample(admin, "credvend_credentials_file_current{profile=\"default\"}"), None, "there is no file");
}

#[test]
fn next_attempt_follows_a_failure() {
    let stage = Stage::new();
    stage.fault(Fault::throttle().forever());
    let run = stage.credvend(RUN).start();
    run.line(&["exchange failed"]);
    wait_until("there is a next attempt", || {
        let next = sample(run.admin_address(), "credvend_next_refresh_timestamp_seconds{profile=\"default\"}");
        next.is_some_and(|next| (next - now()).abs() < 61.0)
    });
}

#[test]
fn token_lifetime_is_that_of_the_token_in_the_file() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).start();
    run.line(&["credentials obtained"]);
    let lifetime = || {
        let time = |name: &str| {
            sample(run.admin_address(), &format!("credvend_token_{name}_timestamp_seconds{{profile=\"default\"}}"))
        };
        Some(time("expiry")? - time("issued")?)
    };
    assert_eq!(lifetime(), Some(3600.0));
    // The next exchange is half an hour away.
    let claims = Claims { lifetime: Duration::from_secs(7200), ..Claims::service_account("shop", "checkout") };
    stage.renew_token(&claims);
    wait_until("the new token is noticed", || lifetime() == Some(7200.0));
    stage.tokens.write("not a token").expect("written");
    wait_until("there is no token", || lifetime().is_none());
}

#[test]
fn writes_and_failures_count_from_zero() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang).forever());
    fs::create_dir(stage.path("aws")).expect("made");
    let run = stage.credvend(RUN).env("CREDVEND_CREDENTIALS_FILE", stage.path("aws/credentials"));
    let run = run.env("CREDVEND_AUTH_TOKEN_FILE", stage.path("authorization"));
    let run = run.env("CREDVEND_ON_WRITE", "/bin/false").env("CREDVEND_CONFIG_FILE", stage.path("config")).start();
    let admin = run.admin_address();
    let counts = |sink: &str| {
        ["writes", "failures"].map(|name| sample(admin, &format!("credvend_sink_{name}_total{{sink=\"{sink}\"}}")))
    };
    for (sink, expected) in [
        ("credentials_file", [0.0, 0.0]),
        ("config_file", [1.0, 0.0]),
        ("authorization_token", [1.0, 0.0]),
        ("on_write", [0.0, 0.0]),
    ] {
        assert_eq!(counts(sink), expected.map(Some), "{sink}");
    }
    assert_eq!(counts("signal"), [None, None], "there is no --signal");
    stage.sts.clear_faults();
    wait_until("the file is written", || counts("credentials_file") == [1.0, 0.0].map(Some));
    wait_until("the command fails", || counts("on_write") == [0.0, 1.0].map(Some));
    let requests =
        ["200", "401"].map(|status| sample(admin, &format!("credvend_requests_total{{status=\"{status}\"}}")));
    assert_eq!(requests, [0.0, 0.0].map(Some));
}

#[test]
fn credentials_file_is_outdated_until_the_renewed_credentials_are_written() {
    let stage = Stage::new();
    let run = run_with_file(&stage);
    let is_current = || sample(run.admin_address(), "credvend_credentials_file_current{profile=\"default\"}");
    assert_eq!(is_current(), Some(1.0));
    fs::rename(stage.path("aws"), stage.path("away")).expect("moved");
    // A hop is refreshed at most once in 2 s.
    wait_until("a renewal is not written", || {
        run.signal(Signal::HUP);
        is_current() == Some(0.0)
    });
    assert_eq!(get(run.address(), "/v1/credentials", &[]).status, 200);
    fs::rename(stage.path("away"), stage.path("aws")).expect("moved");
    wait_until("the file is written", || is_current() == Some(1.0));
}

#[test]
fn connections_are_counted_by_listener() {
    let stage = Stage::new();
    let run = stage.credvend(RUN).start();
    let (address, admin) = (run.address(), run.admin_address());
    let count = |name: &str, listener: &str| sample(admin, &format!("credvend_{name}{{listener=\"{listener}\"}}"));
    assert_eq!(count("connections", "admin"), Some(1.0), "that of the request for the metrics");
    let limit = sample(admin, "credvend_connections_limit").expect("a limit");
    let idle = crate::crowds::crowd(address, crate::crowds::CROWD, "");
    wait_until("connections are closed", || count("connections_shed_total", "credentials") > Some(0.0));
    assert!(count("connections", "credentials") <= Some(limit));
    let accepted = count("connections_accepted_total", "credentials");
    assert!(accepted > Some(limit), "{accepted:?}");
    drop(idle);
    wait_until("all are closed", || count("connections", "credentials") == Some(0.0));
}

/// The names of a family's samples, by the type of the family.
fn sample_names(family: &str, kind: &str) -> Vec<String> {
    let suffixes: &[&str] = if kind == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
    suffixes.iter().map(|suffix| format!("{family}{suffix}")).collect()
}

/// Reads the text format by its rules, and returns the type of each family.
/// <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>
fn read_text_format(text: &str) -> BTreeMap<String, String> {
    assert!(text.ends_with('\n'));
    let (mut families, mut series) = (BTreeMap::new(), BTreeSet::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let (name, help) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')).expect("a HELP line");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        assert!(help.len() > 10 && !help.contains('\\'), "{line}");
        let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} "))).expect("its TYPE line");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
        assert!(["counter", "gauge", "histogram"].contains(&kind), "{kind}");
        assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} comes twice");
        let names = sample_names(name, kind);
        let mut count = 0;
        // All samples of a family follow it.
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (labels, value) = line.rsplit_once(' ').expect("a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(names.iter().any(|name| *name == labels.split('{').next().unwrap_or_default()), "{line} in {name}");
            assert!(series.insert(labels.to_owned()), "{labels} comes twice");
            count += 1;
        }
        assert!(count > 0, "{name} has no sample");
    }
    families
}

#[test]
fn text_format_follows_the_rules_of_prometheus() {
    let stage = Stage::new();
    let run = run_with_file(&stage);
    let metrics = get(run.admin_address(), "/metrics", &["Accept: text/plain;version=0.0.4;q=0.3"]);
    assert_eq!(metrics.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let families = read_text_format(&metrics.body);
    for (name, kind) in [
        ("process_start_time_seconds", "gauge"),
        ("credvend_build_info", "gauge"),
        ("credvend_exchange_duration_seconds", "histogram"),
        ("credvend_sink_writes_total", "counter"),
        ("credvend_next_refresh_timestamp_seconds", "gauge"),
    ] {
        assert_eq!(families.get(name).map(String::as_str), Some(kind), "{name} in {families:?}");
    }
    // Both formats have the same samples.
    let samples = |text: &str| -> BTreeSet<String> {
        let series = text.lines().filter(|line| !line.starts_with('#'));
        series.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
    };
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3";
    let open_metrics = get(run.admin_address(), "/metrics", &[accept]);
    assert!(open_metrics.header("content-type").is_some_and(|kind| kind.starts_with("application/openmetrics-text")));
    assert_eq!(samples(&open_metrics.body), samples(&metrics.body));
}
