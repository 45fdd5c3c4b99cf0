use std::net::SocketAddr;

use local_sts::Fault;

use crate::{
    profiles::CROSS_ACCOUNT,
    support::{Credvend, ROLE_A, ROLE_B, Running, Screen, Signal, Stage, wait_until, without_colors},
};

/// Runs a command on a terminal of this width, and returns what it shows.
fn shown(columns: u16, command: Credvend) -> String {
    let (screen, end) = Screen::open(columns, 24);
    command.stdout(end).end();
    screen.end()
}

fn status(address: SocketAddr, arguments: &[&str]) -> Credvend {
    let listen = address.to_string();
    Credvend::new(&[&["status", "--listen", &listen], arguments].concat())
}

/// Starts `run` for two profiles at this address.
fn start(stage: &Stage, listen: &str) -> (Running, SocketAddr) {
    let run = stage.with_config(&["run", "--listen", listen, "--all-profiles"], CROSS_ACCOUNT).start();
    let address = run.address();
    run.lines(&["credentials obtained"], 2);
    (run, address)
}

/// Asserts that no line is longer than `columns`, except one that is a single word.
#[track_caller]
fn fits(text: &str, columns: usize) {
    for line in text.lines() {
        let is_word = !line.trim_start().contains(' ');
        assert!(is_word || line.chars().count() <= columns, "{} characters: {line:?} in\n{text}", line.chars().count());
    }
}

/// Returns the words of a text, without times and request IDs.
fn words(text: &str) -> Vec<&str> {
    let is_time = |word: &str| word.contains(|c: char| c.is_ascii_digit()) || ["h", "min", "s"].contains(&word);
    text.split_whitespace().filter(|word| !is_time(word)).collect()
}

#[test]
fn status_fits_the_width_of_the_terminal() {
    let stage = Stage::new();
    let (run, address) = start(&stage, "127.0.0.1:0");
    let plain = status(address, &[]).end().succeeded().stdout;
    assert!(plain.lines().skip(1).all(|line| line.len() > 80) && !plain.contains('\u{1b}'), "{plain}");

    let wide = shown(200, status(address, &[]).env("TERM", "xterm"));
    assert!(wide.contains("\u{1b}[32mready") && wide.contains(ROLE_B), "{wide}");
    assert_eq!(words(&without_colors(&wide)), words(&plain));

    let usual = without_colors(&shown(80, status(address, &[]).env("TERM", "xterm")));
    fits(&usual, 80);
    assert!(usual.contains("  222222222222:account-b-role\n"), "{usual}");
    assert_eq!(usual.lines().count(), 3, "{usual}");

    let narrow = without_colors(&shown(50, status(address, &[]).env("TERM", "xterm")));
    fits(&narrow, 50);
    assert!(narrow.contains(&format!("\n  {ROLE_B}\n")), "{narrow}");

    // A terminal that reports no size has 80 columns.
    let message = format!("User: {ROLE_A} is not authorized to perform: sts:AssumeRole on resource: {ROLE_B}");
    stage.fault(Fault::error("AccessDenied", 403, &message).for_action("AssumeRole").forever());
    run.signal(Signal::HUP);
    wait_until("the failure is in the status", || status(address, &[]).end().stdout.contains("refresh failing"));
    let failing = shown(0, status(address, &[]).env("TERM", "xterm"));
    assert!(failing.contains("\u{1b}[33mready, refresh failing"), "{failing}");
    let failing = without_colors(&failing);
    fits(&failing, 80);
    assert!(failing.contains("\naccount_b_role: ") && failing.contains(&format!("\n  {ROLE_B}\n")), "{failing}");
}

#[test]
fn check_fits_the_width_of_the_terminal() {
    let stage = Stage::new();
    let arguments = ["check", "--chain-role-arn", ROLE_B, "--session-tag", "team=a"];
    let report = shown(80, stage.credvend(&arguments).env("TERM", "xterm"));
    assert!(report.contains("\u{1b}[31mfail") && report.contains("\u{1b}[32mok"), "{report}");
    let report = without_colors(&report);
    fits(&report, 80);
    stage.refuse_leaks(&report);
    // The lines have the same words as those in a file, where each check is a line.
    let plain = stage.credvend(&arguments).end().stdout;
    assert_eq!(words(&report), words(&plain));
    assert!(plain.lines().any(|line| line.len() > 200), "{plain}");
}

#[test]
fn colors_can_be_disabled() {
    let stage = Stage::new();
    let (_run, address) = start(&stage, "127.0.0.1:0");
    for (term, no_color) in [("dumb", ""), ("", ""), ("xterm", "1")] {
        let text = shown(80, status(address, &[]).env("TERM", term).env("NO_COLOR", no_color));
        assert!(text.contains("ready") && !text.contains('\u{1b}'), "{text:?}");
        let check = stage.credvend(&["check", "--offline"]).env("TERM", term).env("NO_COLOR", no_color);
        let text = shown(80, check);
        assert!(text.contains("  ok ") && !text.contains('\u{1b}'), "{text:?}");
    }
}

#[test]
fn watch_redraws_and_survives_a_restart() {
    let stage = Stage::new();
    let (run, address) = start(&stage, "127.0.0.1:0");
    let (screen, end) = Screen::open(80, 5);
    let mut watch = status(address, &["--watch", "100ms"]).env("TERM", "xterm").stdout(end).start();
    // The last frame, once it is complete.
    let frame = || {
        let text = screen.text();
        let mut frames: Vec<_> = text.split("\u{1b}[H").collect();
        if !text.ends_with("\u{1b}[J\u{1b}[?7h") {
            frames.pop();
        }
        frames.last().copied().unwrap_or_default().to_owned()
    };
    wait_until("the status is shown", || frame().contains("ready"));
    // The terminal has five rows. The cursor is in the last one.
    assert!(frame().matches('\n').count() <= 4, "{:?}", frame());
    run.terminate();
    wait_until("the failure is shown", || frame().contains("error: ") && !frame().contains("ready"));
    let (_run, _) = start(&stage, &address.to_string());
    wait_until("the status is shown again", || frame().contains("ready") && !frame().contains("error: "));
    assert_eq!(screen.text().matches("\u{1b}[2J").count(), 1, "only the first frame clears the terminal");
    watch.signal(Signal::INT);
    assert_eq!(watch.status().code(), Some(130));
    assert!(screen.end().ends_with("\u{1b}[J\u{1b}[?7h"));
}

#[test]
fn watch_prints_snapshots_into_a_file() {
    let stage = Stage::new();
    let (run, address) = start(&stage, "127.0.0.1:0");
    let watch = |name: &str, arguments: &[&str]| {
        let file = std::fs::File::create(stage.path(name)).expect("a file");
        status(address, &[&["--watch=100ms"], arguments].concat()).env("TERM", "xterm").stdout(file).start()
    };
    let mut watches = [watch("text", &[]), watch("json", &["--format", "json"])];
    wait_until("several snapshots", || {
        stage.read("text").matches("PROFILE").count() > 2 && stage.read("json").lines().count() > 2
    });
    run.terminate();
    wait_until("the failure is in the text", || stage.read("text").contains("error: no status from"));
    watches[1].line(&["ERROR", "no status from"]);
    for watch in &mut watches {
        watch.signal(Signal::TERM);
        assert_eq!(watch.status().code(), Some(143));
    }
    let text = stage.read("text");
    assert!(!text.contains('\u{1b}') && text.contains("\n\n20"), "{text}");
    for line in stage.read("json").lines() {
        serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON");
    }
}

#[test]
fn watch_ends_with_its_reader_and_checks_its_interval() {
    let stage = Stage::new();
    let (_run, address) = start(&stage, "127.0.0.1:0");
    let (reader, writer) = std::io::pipe().expect("a pipe");
    let mut watch = status(address, &["--watch", "100ms"]).stdout(writer).start();
    drop(reader);
    assert_eq!(watch.status().code(), Some(0));
    for interval in ["soon", "0s", "99ms"] {
        status(address, &["--watch", interval]).end().failed(2, &["--watch"]);
    }
}
