//! What the commands show of the regions, and one-shots with little time.

use local_sts::{Fault, FaultKind};

use super::{
    RUN,
    rig::{AWAY, AWAY_HOST, HOME_HOST, Regions},
};
use crate::support::{ROLE_B, Route, get, wait_until};

/// Each one-shot divides its time between the regions, so that a region that hangs does not use it up.
#[test]
fn one_shots_reach_the_fallback_region_within_their_timeout() {
    std::thread::scope(|scope| {
        for command in [
            &["export", "--timeout", "6s"][..],
            &["process", "--timeout", "6s"],
            &["run", "--once", "--timeout", "6s", "--credentials-file", "FILE"],
            &["exec", "--timeout", "6s", "--", "true"],
        ] {
            scope.spawn(move || {
                let regions = Regions::new();
                regions.home.inject(vec![Fault::new(FaultKind::Hang).forever()]);
                let file = regions.stage.path("credentials").display().to_string();
                let command: Vec<_> = command.iter().map(|word| if *word == "FILE" { &file } else { *word }).collect();
                let ended = regions.credvend(&command).env("CREDVEND_LOG", "warn").end().succeeded();
                let is_cut = ended.stderr.contains("no response within ") && !ended.stderr.contains("within 10 s");
                assert!(is_cut, "{command:?}: {}", ended.stderr);
                assert_eq!((regions.home.requests().len(), regions.away.requests().len()), (1, 1), "{command:?}");
            });
        }
    });
}

#[test]
fn status_and_metrics_show_the_region_that_served() {
    let regions = Regions::new();
    regions.home.inject(vec![Fault::throttle()]);
    let run = regions.credvend(&[RUN, &["--admin-listen", "127.0.0.1:0"]].concat()).start();
    run.line(&["credentials obtained", "region=\"eu-west-1\""]);
    let listen = run.address().to_string();
    wait_until("the credentials are served", || get(run.address(), "/readyz", &[]).status == 200);

    let status = get(run.address(), "/v1/status", &[]).body;
    assert!(status.contains(r#""sts_region":"eu-west-1","failed_sts_regions":["eu-central-1"]"#), "{status}");
    let table = regions.credvend(&["status", "--listen", &listen]).end().succeeded().stdout;
    let words = "the STS of the fallback region eu-west-1 issued the credentials, because that of eu-central-1 failed";
    assert!(table.contains(words), "{table}");
    let metrics = get(run.admin_address(), "/metrics", &[]).body;
    for line in [
        r#"credvend_sts_calls_total{region="eu-central-1",result="Throttling"} 1"#,
        r#"credvend_sts_calls_total{region="eu-west-1",result="ok"} 1"#,
    ] {
        assert!(metrics.contains(line), "{line} is missing in {metrics}");
    }

    // The next refresh is served at home.
    run.signal(crate::support::Signal::HUP);
    run.line(&["credentials obtained", "region=\"eu-central-1\""]);
    wait_until("the status shows the home region alone", || {
        let status = get(run.address(), "/v1/status", &[]).body;
        status.contains(r#""sts_region":"eu-central-1","ready""#)
    });
}

#[test]
fn check_tests_each_region_and_shows_which_one_served() {
    let regions = Regions::new();
    let check = |arguments: &[&str]| regions.credvend(&[&["check"], arguments].concat()).end();
    let healthy = check(&["--chain-role-arn", ROLE_B]).succeeded().stdout;
    for text in [HOME_HOST, AWAY_HOST, "issued by the STS of eu-central-1", "calls are signed for eu-west-1"] {
        assert!(healthy.contains(text), "{text} is missing in {healthy}");
    }
    assert!(!healthy.contains("warn  hop") && !healthy.contains("warn  sts"), "{healthy}");

    regions.proxy.route(HOME_HOST, Route::Refused);
    let degraded = check(&["--chain-role-arn", ROLE_B]).succeeded().stdout;
    for text in ["warn  hop 1", "issued by the STS of eu-west-1", "-> the STS of eu-central-1 failed"] {
        assert!(degraded.contains(text), "{text} is missing in {degraded}");
    }
    let last = regions.away.requests().pop().expect("a request");
    assert_eq!(
        last.action.as_deref(),
        Some("GetCallerIdentity"),
        "the identity is checked where the credentials are from"
    );

    let json = check(&["--offline", "--format", "json"]).succeeded().stdout;
    assert!(json.contains(&format!("\"sts_fallback_regions\": [\n            \"{AWAY}\"")), "{json}");
}

/// A region that cannot be connected to is a failure only if no other region can.
#[test]
fn check_warns_about_one_unreachable_region_and_fails_for_all() {
    let regions = Regions::new();
    // These hosts do not exist, and the proxy is not asked for them.
    let check = |fallback: &str| {
        let command = regions.credvend(&["check"]).env("AWS_REGION", "nowhere-1");
        let command = command.env("NO_PROXY", "sts.nowhere-1.amazonaws.com,sts.nowhere-2.amazonaws.com");
        command.env("CREDVEND_STS_FALLBACK_REGIONS", fallback).end()
    };
    let warned = check(AWAY).succeeded().stdout;
    let is_reported = |output: &str, result: &str, region: &str| {
        let words = [format!("  {result}  sts "), format!("https://sts.{region}.amazonaws.com: ")];
        output.lines().any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(is_reported(&warned, "warn", "nowhere-1") && is_reported(&warned, "ok  ", AWAY), "{warned}");
    let failed = check("nowhere-2");
    assert_eq!(failed.code, Some(5), "{failed:?}");
    for region in ["nowhere-1", "nowhere-2"] {
        assert!(is_reported(&failed.stdout, "fail", region), "{region}: {}", failed.stdout);
    }
}
