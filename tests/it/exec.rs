use std::{collections::BTreeMap, time::Duration};

use local_sts::{Fault, FaultKind};

use crate::support::{Credvend, DEADLINE, Ended, ROLE_A, ROLE_B, Signal, Stage, binary};

/// What this program prints under `exec`, after it has succeeded.
fn printed(credvend: Credvend) -> String {
    let Ended { stdout, stderr, .. } = credvend.env("PATH", PATH).end().succeeded();
    assert_eq!(stderr, "", "stderr is the program's own");
    stdout
}

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// `exec` of a shell script.
fn script(stage: &Stage, flags: &[&str], script: &str) -> Credvend {
    let arguments = [&["exec"], flags, &["--", "sh", "-c", script]].concat();
    stage.credvend(&arguments).env("PATH", PATH).env("CREDVEND", binary())
}

/// A nested `exec`, which finds no identity in the environment that the outer one leaves.
fn nested(stage: &Stage) -> String {
    format!("$CREDVEND exec --role-arn {ROLE_A} --web-identity-token-file {}", stage.tokens.token_file().display())
}

#[test]
fn the_environment_points_at_the_endpoint_and_nowhere_else() {
    let stage = Stage::new();
    let misleading = [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_SECURITY_TOKEN",
        "AWS_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_CREDENTIAL_EXPIRATION",
        "AWS_ROLE_SESSION_NAME",
        "AWS_DEFAULT_PROFILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    let credvend = stage.credvend(&["exec", "--", "env"]).env("KEPT", "a b").env("AWS_MAX_ATTEMPTS", "9");
    let text = printed(misleading.iter().fold(credvend, |credvend, variable| credvend.env(variable, "inherited")));
    let mut variables: BTreeMap<_, _> = text.lines().map(|line| line.split_once('=').expect("a variable")).collect();
    let url = variables.remove("AWS_CONTAINER_CREDENTIALS_FULL_URI").expect("a URL");
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/v1/credentials"), "{url}");
    assert!(!url.contains(":9911/"), "a free port");
    let token = variables.remove("AWS_CONTAINER_AUTHORIZATION_TOKEN").expect("a token");
    assert!(token.len() >= 32 && token != "inherited");
    let (home, sts) = (stage.directory().display().to_string(), stage.sts.url());
    let expected = [
        ("AWS_DEFAULT_REGION", "eu-central-1"),
        ("AWS_ENDPOINT_URL_STS", &sts),
        ("AWS_MAX_ATTEMPTS", "9"),
        ("AWS_REGION", "eu-central-1"),
        ("HOME", &home),
        ("KEPT", "a b"),
        ("PATH", PATH),
    ];
    assert_eq!(variables.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn the_endpoint_gives_the_vended_role_to_whoever_has_the_token() {
    let stage = Stage::new();
    let ask = "$CREDVEND process --from-endpoint";
    let printed = printed(script(&stage, &["--chain-role-arn", ROLE_B], &format!("AWS_PROFILE=self {ask}")));
    let document: serde_json::Value = serde_json::from_str(&printed).expect("one document");
    assert_eq!(document["AccountId"], "222222222222");
    assert_eq!(stage.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole"]);
    let ended = script(&stage, &[], &format!("unset AWS_CONTAINER_AUTHORIZATION_TOKEN; {ask}")).end();
    ended.failed(4, &["401"]);
}

#[test]
fn of_several_profiles_the_first_is_the_program_s_and_all_are_served() {
    let stage = Stage::new();
    let arguments = ["exec", "--profile", "account_b_role", "--profile", "account_a_role", "--", "sh", "-c"];
    let credvend = stage.with_config(&arguments, crate::profiles::CROSS_ACCOUNT).env("CREDVEND", binary());
    let asked = "$CREDVEND process --from-endpoint; $CREDVEND process --from-endpoint --profile account_a_role";
    let printed = printed(credvend.arg(asked));
    let accounts: Vec<_> = printed
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a document")["AccountId"].to_string())
        .collect();
    assert_eq!(accounts, ["\"222222222222\"", "\"111111111111\""]);
}

#[test]
fn a_default_profile_with_keys_does_not_get_in_the_way() {
    let stage = Stage::new();
    stage.write(".aws/credentials", "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n");
    let text = printed(stage.credvend(&["exec", "--", "env"]));
    assert!(text.contains("AWS_SHARED_CREDENTIALS_FILE=/dev/null\n") && !text.contains("AWS_CONFIG_FILE"));
}

#[test]
fn credentials_are_renewed_while_the_program_runs() {
    let stage = Stage::new();
    // The endpoint serves the credentials for 5 s and refreshes them after 10 to 12 s. In between it responds with 503, and
    // `process` retries.
    stage.sts.set_lifetime(Some(Duration::from_secs(20)));
    let words = "first=$($CREDVEND process --from-endpoint) || exit 1\n\
                 second=$first\n\
                 while test \"$second\" = \"$first\"; do\n\
                 sleep 0.1; second=$($CREDVEND process --from-endpoint) || exit 1\n\
                 done\n\
                 echo \"$first\"; echo \"$second\"";
    let printed = printed(script(&stage, &[], words));
    let documents: Vec<serde_json::Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
    assert_ne!(documents[0]["AccessKeyId"], documents[1]["AccessKeyId"]);
}

#[test]
fn the_exit_code_is_the_program_s() {
    let stage = Stage::new();
    for (words, code) in
        [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)]
    {
        assert_eq!(script(&stage, &[], words).end().code, Some(code), "{words}");
    }
}

#[test]
fn a_program_that_cannot_run_has_the_codes_of_shells() {
    let stage = Stage::new();
    let run = |program: &str| stage.credvend(&["exec", "--", program, "argument"]).env("PATH", PATH).end();
    run("no-such-program").failed(127, &["no-such-program", "PATH"]);
    run("/no/such/program").failed(127, &["/no/such/program"]);
    let file = stage.write("file", "echo hello\n");
    let file = file.to_str().expect("UTF-8");
    run(file).failed(126, &["chmod +x"]);
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set");
    run(file).failed(126, &["#!"]);
    run("/").failed(126, &["cannot run /"]);
}

#[test]
fn what_is_wrong_is_told_before_the_program_starts() {
    let stage = Stage::new();
    let program = |flags: &[&str]| script(&stage, flags, "echo started");
    program(&["--role-arn", "arn:aws:iam::111111111111:role/absent"]).end().failed(4, &["hop 1", "AccessDenied"]);
    program(&["--web-identity-token-file", "/absent"]).end().failed(3, &["/absent"]);
    program(&["--role-arn", "no ARN"]).end().failed(2, &["--role-arn"]);
    stage.credvend(&["exec"]).end().failed(2, &["<CMD>", "credvend exec --help"]);
    stage.fault(Fault::new(FaultKind::Hang).forever());
    program(&["--timeout", "1s"]).end().failed(5, &["1s", "--timeout"]);
}

#[test]
fn flags_after_the_program_are_the_program_s() {
    let stage = Stage::new();
    for arguments in
        [&["exec", "echo", "--profile", "x", "--help"][..], &["exec", "--", "echo", "--profile", "x", "--help"]]
    {
        assert_eq!(printed(stage.credvend(arguments)), "--profile x --help\n");
    }
}

#[test]
fn every_signal_is_passed_on_and_none_ends_credvend() {
    let stage = Stage::new();
    let traps = "for s in TERM INT HUP QUIT USR1; do trap \"echo got-$s >&2\" $s; done; trap 'exit 42' USR2; \
                 echo ready >&2; while :; do sleep 0.1; done";
    let run = script(&stage, &[], traps).start();
    run.line(&["ready"]);
    for (signal, name) in [
        (Signal::TERM, "got-TERM"),
        (Signal::INT, "got-INT"),
        (Signal::HUP, "got-HUP"),
        (Signal::QUIT, "got-QUIT"),
        (Signal::USR1, "got-USR1"),
    ] {
        for count in 1..=2 {
            run.signal(signal);
            run.lines(&[name], count);
        }
    }
    run.signal(Signal::USR2);
    assert_eq!(run.wait().code, Some(42));

    let run = script(&stage, &[], "echo ready >&2; exec sleep 60").start();
    run.line(&["ready"]);
    assert_eq!(run.terminate().code, Some(143));
}

#[test]
fn a_signal_before_the_program_starts_ends_credvend() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        let stage = Stage::new();
        stage.fault(Fault::new(FaultKind::Hang).forever());
        let run = script(&stage, &[], "echo started").start();
        stage.sts.wait_for_requests(1, DEADLINE);
        run.signal(signal);
        let ended = run.wait();
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""));
    }
}

#[test]
fn a_program_that_signals_its_own_group_is_signalled_once() {
    let stage = Stage::new();
    let may_exit = stage.path("may-exit");
    let words = format!(
        "trap 'echo got-TERM' TERM; kill -TERM 0; until test -e {}; do sleep 0.1; done; echo done",
        may_exit.display()
    );
    let run = script(&stage, &["--log-level", "debug"], &words).own_group().start();
    run.line(&["signal not forwarded"]);
    stage.write("may-exit", "");
    let ended = run.wait().succeeded();
    assert_eq!(ended.stdout, "got-TERM\ndone\n");
    assert!(!ended.stderr.contains("signal forwarded"));
}

#[test]
fn what_was_ignored_stays_ignored() {
    let stage = Stage::new();
    let ignored = |prefix: &str| {
        let words = format!("{prefix} exec {} -- grep SigIgn /proc/self/status", nested(&stage));
        let text = printed(script(&stage, &[], &words));
        u64::from_str_radix(text.trim_start_matches("SigIgn:").trim(), 16).expect("a set")
    };
    let (hang_up, interrupt, pipe) = (1 << 0, 1 << 1, 1 << 12);
    assert_eq!(ignored("") & (hang_up | interrupt | pipe), 0);
    assert_eq!(ignored("trap '' HUP INT;") & (hang_up | interrupt | pipe), hang_up | interrupt);
}

#[test]
fn the_program_has_the_core_limit_that_credvend_was_given() {
    let stage = Stage::new();
    let limits = |prefix: &str| {
        // credvend lowers its own limit again right after it starts the program.
        let program = "ulimit -Sc; ulimit -Hc; for n in $(seq 300); do grep -q \"core file size  *0 \" /proc/$PPID/limits && \
                       break; sleep 0.1; done; grep core /proc/$PPID/limits";
        let words = format!("{prefix} exec {} -- sh -c '{program}'", nested(&stage));
        printed(script(&stage, &[], &words)).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let [soft, hard, own] = limits("ulimit -Sc $(ulimit -Hc);").try_into().expect("three lines");
    assert_eq!(soft, hard);
    assert_eq!(own.split_whitespace().nth(4), Some("0"), "credvend's own soft limit: {own}");
    assert_eq!(limits("ulimit -Sc 0;")[..2], ["0".to_owned(), hard]);
}

#[test]
fn the_program_inherits_no_file_of_credvend_s() {
    let stage = Stage::new();
    let open = |text: String| text.lines().filter(|number| number.parse::<u32>().is_ok_and(|n| n > 2)).count();
    let outside = std::process::Command::new("ls").arg("/proc/self/fd").output().expect("ls");
    let inside = open(printed(stage.credvend(&["exec", "--", "ls", "/proc/self/fd"])));
    assert_eq!(inside, open(String::from_utf8(outside.stdout).expect("UTF-8")));
}
