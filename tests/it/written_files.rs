//! Written files among other writers: locks, targets that change, and signals during a write.

use std::{
    fs::{self, File},
    os::unix::fs::symlink,
    time::{Duration, Instant},
};

use crate::support::{DEADLINE, ROLE_A, Signal, Stage, get, wait_until};

#[test]
fn held_lock_delays_a_write_but_never_a_listener_or_a_signal() {
    let stage = Stage::new();
    fs::create_dir(stage.path("aws")).expect("create directory");
    let lock = File::open(stage.path("aws")).expect("open directory");
    lock.lock().expect("lock directory");
    let start = || {
        let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--credentials-file"]);
        run.arg(stage.path("aws/credentials")).start()
    };
    let run = start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
    assert_eq!(get(address, "/readyz", &[]).status, 503, "the file is not written yet");
    // The write is waiting for the lock.
    let begin = Instant::now();
    run.terminate().succeeded();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());

    let run = start();
    run.line(&["WARN", "another process has locked the directory for 10 s", "aws/credentials"]);
    run.line(&["credentials file written"]);
    assert!(stage.read("aws/credentials").contains("[default]\n"));
    run.terminate().succeeded();
}

#[test]
fn profile_is_not_ready_while_its_file_holds_expired_credentials() {
    let stage = Stage::new();
    // Credentials are servable for 2 s.
    stage.sts.set_lifetime(Some(Duration::from_secs(17)));
    fs::create_dir(stage.path("aws")).expect("create directory");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--credentials-file"]);
    let run = run.arg(stage.path("aws/credentials")).start();
    let address = run.address();
    run.line(&["credentials file written"]);
    stage.fault(local_sts::Fault::server_error(503).forever());
    wait_until("the profile is not ready", || get(address, "/readyz", &[]).status != 200);

    // The new credentials are served, but cannot be written yet.
    let lock = File::open(stage.path("aws")).expect("open directory");
    lock.lock().expect("lock directory");
    stage.sts.set_lifetime(None);
    stage.sts.clear_faults();
    wait_until("the new credentials are served", || get(address, "/v1/credentials", &[]).status == 200);
    assert_eq!(get(address, "/readyz", &[]).status, 503);
    drop(lock);
    run.lines(&["credentials file written"], 2);
    assert_eq!(get(address, "/readyz", &[]).status, 200);
    run.terminate().succeeded();
}

#[test]
fn one_shots_write_before_their_timeout_despite_a_held_lock() {
    let stage = Stage::new();
    fs::create_dir(stage.path("locked")).expect("create directory");
    let lock = File::open(stage.path("locked")).expect("open directory");
    lock.lock().expect("lock directory");
    let run = |arguments: &[&str], name: &str| {
        stage.credvend(arguments).arg(stage.path(name)).end().succeeded();
        assert!(stage.read(name).contains("ASIA"), "{name}");
    };
    run(&["export", "--timeout", "2s", "--output"], "locked/env");
    run(&["run", "--once", "--timeout", "6s", "--credentials-file"], "locked/credentials");
}

#[test]
fn target_that_is_replaced_while_running_is_retried() {
    let stage = Stage::new();
    fs::create_dir(stage.path("aws")).expect("create directory");
    let path = stage.path("aws/credentials");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--credentials-file"]).arg(&path).start();
    let address = run.address();
    run.line(&["credentials file written"]);
    let obstacles: [(&str, &dyn Fn()); 4] = [
        ("is a directory", &|| fs::create_dir(&path).expect("create directory")),
        ("not a regular file", &|| {
            let mode = rustix::fs::Mode::RWXU;
            rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("create FIFO");
        }),
        ("symbolic links", &|| symlink("credentials", &path).expect("create symlink")),
        ("does not exist", &|| symlink(stage.path("absent/credentials"), &path).expect("create symlink")),
    ];
    for (round, (error, obstruct)) in (2..).zip(obstacles) {
        fs::remove_file(&path).expect("remove");
        obstruct();
        run.signal(Signal::HUP);
        run.line(&["credentials file not written", error]);
        assert_eq!(get(address, "/readyz", &[]).status, 503, "{error}");
        assert_eq!(get(address, "/v1/credentials", &[]).status, 200, "{error}");
        let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir(&path));
        run.lines(&["credentials file written"], round);
        assert_eq!(get(address, "/readyz", &[]).status, 200, "{error}");
    }

    // The directory is deleted and created again.
    fs::remove_dir_all(stage.path("aws")).expect("remove");
    run.signal(Signal::HUP);
    run.line(&["credentials file not written", "does not exist"]);
    fs::create_dir(stage.path("aws")).expect("create directory");
    wait_until("the file is written again", || path.exists());
    run.terminate().succeeded();
}

#[test]
fn removed_profile_loses_its_credentials_in_the_file() {
    let stage = Stage::new();
    let token = stage.tokens.token_file();
    let config = |profiles: &[&str]| {
        let section = |name: &&str| {
            format!("[profile {name}]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {}\n", token.display())
        };
        profiles.iter().map(section).collect::<String>()
    };
    let file = stage.write("credentials", "[b]\nregion = eu-west-1\n\n[theirs]\naws_access_key_id = KEEP\n");
    let run = stage.with_config(&["run", "--listen", "127.0.0.1:0", "--all-profiles"], &config(&["a", "b", "c"]));
    let run = run.env("CREDVEND_CREDENTIALS_FILE", &file).start();
    run.line(&["credentials file written"]);
    wait_until("all profiles are in the file", || stage.read("credentials").matches("ASIA").count() == 3);

    // `a` stays, `b` is removed and had a section before, `c` is renamed to `d`.
    stage.write("config", &config(&["a", "d"]));
    run.signal(Signal::HUP);
    wait_until("the file holds the new profiles alone", || {
        let text = stage.read("credentials");
        text.contains("[d]\n") && text.matches("ASIA").count() == 2
    });
    let text = stage.read("credentials");
    assert!(text.starts_with("[b]\nregion = eu-west-1\n\n[theirs]\naws_access_key_id = KEEP\n"), "{text}");
    assert!(!text.contains("[c]") && text.matches("# credvend: ").count() == 2, "{text}");

    // Even if the remaining profile never gets credentials. It shares no exchange with the others.
    stage.fault(local_sts::Fault::server_error(503).forever());
    stage.write("config", &(config(&["e"]) + "duration_seconds = 900\n"));
    run.signal(Signal::HUP);
    wait_until("the file holds no credentials", || !stage.read("credentials").contains("ASIA"));
    assert_eq!(stage.read("credentials").trim_end(), "[b]\nregion = eu-west-1\n\n[theirs]\naws_access_key_id = KEEP");
    run.terminate().succeeded();
}

#[test]
fn signal_during_a_write_leaves_no_temporary_file() {
    let stage = Stage::new();
    fs::create_dir(stage.path("aws")).expect("create directory");
    let path = stage.path("aws/env");
    let leftovers = || {
        let entries = fs::read_dir(stage.path("aws")).expect("list directory").flatten();
        entries.filter(|entry| entry.file_name() != "env").map(|entry| entry.file_name()).collect::<Vec<_>>()
    };
    for round in 0..40_u64 {
        let requests = stage.sts.requests().len();
        let run = stage.credvend(&["export", "--output"]).arg(&path).start();
        stage.sts.wait_for_requests(requests + 1, DEADLINE);
        // The write follows within milliseconds.
        std::thread::sleep(Duration::from_micros(round * 400));
        let ended = run.terminate_if_running();
        assert!([Some(0), Some(143)].contains(&ended.code), "{ended:?}");
        assert_eq!(leftovers(), [""; 0], "round {round}");
    }
}
