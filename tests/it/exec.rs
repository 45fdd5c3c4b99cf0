/// The file with the authorization token.
mod token_file;

use std::{collections::BTreeMap, time::Duration};

use local_sts::{Fault, FaultKind};

use crate::support::{Credvend, DEADLINE, Ended, ROLE_A, ROLE_B, Signal, Stage, binary};

/// Runs `exec`, asserts success and an empty stderr, and returns the output of the program.
fn program_output(credvend: Credvend) -> String {
    let Ended { stdout, stderr, .. } = credvend.env("PATH", PATH).end().succeeded();
    assert_eq!(stderr, "", "credvend writes nothing to stderr");
    stdout
}

const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Returns an `exec` command that runs a shell script.
fn script(stage: &Stage, flags: &[&str], script: &str) -> Credvend {
    let arguments = [&["exec"], flags, &["--", "sh", "-c", script]].concat();
    stage.credvend(&arguments).env("PATH", PATH).env("CREDVEND", binary())
}

/// Returns a nested `exec` command for a shell. Flags set its identity, because the outer `exec` removes the variables.
fn nested_exec(stage: &Stage) -> String {
    format!("$CREDVEND exec --role-arn {ROLE_A} --web-identity-token-file {}", stage.tokens.token_file().display())
}

#[test]
fn environment_points_sdks_at_the_endpoint_only() {
    let stage = Stage::new();
    let removed = [
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
    let credvend = removed.iter().fold(credvend, |credvend, variable| credvend.env(variable, "inherited"));
    let text = program_output(credvend);
    let mut variables: BTreeMap<_, _> =
        text.lines().map(|line| line.split_once('=').expect("a variable in each line")).collect();
    let url = variables.remove("AWS_CONTAINER_CREDENTIALS_FULL_URI").expect("the URL of the endpoint");
    assert!(url.starts_with("http://127.0.0.1:") && url.ends_with("/v1/credentials"), "{url}");
    assert!(!url.contains(":9911/"), "a free port, not the default port");
    let token = variables.remove("AWS_CONTAINER_AUTHORIZATION_TOKEN").expect("the authorization token");
    assert!(token.len() >= 32 && token != "inherited");
    let file = variables.remove("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").expect("the token file");
    assert!(file.starts_with('/') && !std::path::Path::new(file).exists(), "removed at the end: {file}");
    for variable in ["NO_PROXY", "no_proxy"] {
        let direct = "127.0.0.1,localhost,::1,169.254.170.2,169.254.170.23,fd00:ec2::23,169.254.169.254,fd00:ec2::254";
        assert_eq!(variables.remove(variable), Some(direct));
    }
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
fn endpoint_serves_the_last_role_and_requires_the_token() {
    let stage = Stage::new();
    let fetch = "$CREDVEND process --from-endpoint";
    let output = program_output(script(&stage, &["--chain-role-arn", ROLE_B], &format!("AWS_PROFILE=self {fetch}")));
    let document: serde_json::Value = serde_json::from_str(&output).expect("one JSON document");
    assert_eq!(document["AccountId"], "222222222222");
    assert_eq!(stage.actions(), ["AssumeRoleWithWebIdentity", "AssumeRole"]);
    let ended = script(
        &stage,
        &[],
        &format!("unset AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; {fetch}"),
    )
    .end();
    ended.failed(4, &["401"]);
}

#[test]
fn all_profiles_are_served_and_the_first_is_the_default() {
    let stage = Stage::new();
    let arguments = ["exec", "--profile", "account_b_role", "--profile", "account_a_role", "--", "sh", "-c"];
    let credvend = stage.with_config(&arguments, crate::profiles::CROSS_ACCOUNT).env("CREDVEND", binary());
    let fetch_both = "$CREDVEND process --from-endpoint; $CREDVEND process --from-endpoint --profile account_a_role";
    let output = program_output(credvend.arg(fetch_both));
    let accounts: Vec<_> = output
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a JSON document")["AccountId"].to_string())
        .collect();
    assert_eq!(accounts, ["\"222222222222\"", "\"111111111111\""]);
}

#[test]
fn static_keys_of_the_default_profile_are_hidden_from_the_program() {
    let stage = Stage::new();
    stage.write(".aws/credentials", "[default]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n");
    let text = program_output(stage.credvend(&["exec", "--", "env"]));
    assert!(text.contains("AWS_SHARED_CREDENTIALS_FILE=/dev/null\n") && !text.contains("AWS_CONFIG_FILE"));
}

#[test]
fn credentials_are_refreshed_while_the_program_runs() {
    let stage = Stage::new();
    // The endpoint serves the credentials for 5 s. Then a request gets a 503 and starts a refresh, and `process` retries.
    stage.sts.set_lifetime(Some(Duration::from_secs(20)));
    let commands = "first=$($CREDVEND process --from-endpoint) || exit 1\n\
                 second=$first\n\
                 while test \"$second\" = \"$first\"; do\n\
                 sleep 0.1; second=$($CREDVEND process --from-endpoint) || exit 1\n\
                 done\n\
                 echo \"$first\"; echo \"$second\"";
    let output = program_output(script(&stage, &[], commands));
    let documents: Vec<serde_json::Value> =
        output.lines().map(|line| serde_json::from_str(line).expect("a JSON document")).collect();
    assert_ne!(documents[0]["AccessKeyId"], documents[1]["AccessKeyId"]);
}

#[test]
fn exit_code_is_that_of_the_program() {
    let stage = Stage::new();
    for (command, code) in
        [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -SEGV $$", 139)]
    {
        assert_eq!(script(&stage, &[], command).end().code, Some(code), "{command}");
    }
}

#[test]
fn program_that_cannot_run_exits_126_or_127() {
    let stage = Stage::new();
    let run = |program: &str| stage.credvend(&["exec", "--", program, "argument"]).env("PATH", PATH).end();
    run("no-such-program").failed(127, &["no-such-program", "PATH"]);
    run("/no/such/program").failed(127, &["/no/such/program"]);
    let file = stage.write("file", "echo hello\n");
    let file = file.to_str().expect("path is UTF-8");
    run(file).failed(126, &["chmod +x"]);
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("set mode");
    run(file).failed(126, &["#!"]);
    run("/").failed(126, &["cannot run /"]);
}

#[test]
fn errors_are_reported_before_the_program_starts() {
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
fn flags_after_the_program_belong_to_the_program() {
    let stage = Stage::new();
    for arguments in
        [&["exec", "echo", "--profile", "x", "--help"][..], &["exec", "--", "echo", "--profile", "x", "--help"]]
    {
        assert_eq!(program_output(stage.credvend(arguments)), "--profile x --help\n");
    }
}

#[test]
fn signals_are_forwarded_and_do_not_end_credvend() {
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
fn signal_before_the_program_starts_ends_credvend() {
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
fn signal_to_the_process_group_reaches_the_program_once() {
    let stage = Stage::new();
    let may_exit = stage.path("may-exit");
    let commands = format!(
        "trap 'echo got-TERM' TERM; kill -TERM 0; until test -e {}; do sleep 0.1; done; echo done",
        may_exit.display()
    );
    let run = script(&stage, &["--log-level", "debug"], &commands).own_group().start();
    run.line(&["signal not forwarded"]);
    stage.write("may-exit", "");
    let ended = run.wait().succeeded();
    assert_eq!(ended.stdout, "got-TERM\ndone\n");
    assert!(!ended.stderr.contains("signal forwarded"));
}

#[test]
fn ignored_signals_stay_ignored_in_the_program() {
    let stage = Stage::new();
    let ignored_signals = |prefix: &str| {
        let commands = format!("{prefix} exec {} -- grep SigIgn /proc/self/status", nested_exec(&stage));
        let text = program_output(script(&stage, &[], &commands));
        u64::from_str_radix(text.trim_start_matches("SigIgn:").trim(), 16).expect("a hexadecimal mask")
    };
    let (hang_up, interrupt, pipe) = (1 << 0, 1 << 1, 1 << 12);
    assert_eq!(ignored_signals("") & (hang_up | interrupt | pipe), 0);
    assert_eq!(ignored_signals("trap '' HUP INT;") & (hang_up | interrupt | pipe), hang_up | interrupt);
}

#[test]
fn program_keeps_the_inherited_core_limit() {
    let stage = Stage::new();
    let limits = |prefix: &str| {
        // credvend lowers its own limit after it has started the program, so the program waits until that limit is 0.
        let print_limits = "ulimit -Sc; ulimit -Hc; for n in $(seq 100); do set -- $(grep core /proc/$PPID/limits); \
                            test \"$5\" = 0 && break; sleep 0.1; done; echo \"$*\"";
        let commands = format!("{prefix} exec {} -- sh -c '{print_limits}'", nested_exec(&stage));
        program_output(script(&stage, &[], &commands)).lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let [soft, hard, own] = limits("ulimit -Sc $(ulimit -Hc);").try_into().expect("three limits");
    assert_eq!(soft, hard);
    assert_eq!(own.split_whitespace().nth(4), Some("0"), "credvend's own soft limit: {own}");
    assert_eq!(limits("ulimit -Sc 0;")[..2], ["0".to_owned(), hard]);
}

#[test]
fn program_inherits_no_open_file_from_credvend() {
    let stage = Stage::new();
    let count_open = |text: String| text.lines().filter(|fd| fd.parse::<u32>().is_ok_and(|fd| fd > 2)).count();
    let outside = std::process::Command::new("ls").arg("/proc/self/fd").output().expect("run ls");
    let inside = count_open(program_output(stage.credvend(&["exec", "--", "ls", "/proc/self/fd"])));
    assert_eq!(inside, count_open(String::from_utf8(outside.stdout).expect("output is UTF-8")));
}
