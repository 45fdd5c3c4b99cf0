use std::{fs, path::Path};

use super::{program_output, script};
use crate::support::{Signal, Stage};

/// Returns the names of the files in a directory.
fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn token_file_is_private_and_holds_the_token_of_the_variable() {
    let stage = Stage::new();
    let commands = "file=$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE; stat -c %a:%F:%u \"$file\" \"$(dirname \"$file\")\"; id -u; \
                    test \"$(cat \"$file\")\" = \"$AWS_CONTAINER_AUTHORIZATION_TOKEN\" && echo same; wc -l < \"$file\"; \
                    unset AWS_CONTAINER_AUTHORIZATION_TOKEN; $CREDVEND process --from-endpoint > /dev/null && echo accepted";
    let output = program_output(script(&stage, &[], commands).env("TMPDIR", stage.directory()));
    let lines: Vec<_> = output.lines().map(str::trim).collect();
    let user = lines[2];
    assert_eq!(lines[0], format!("600:regular file:{user}"));
    assert_eq!(lines[1], format!("700:directory:{user}"));
    assert_eq!(lines[3..], ["same", "0", "accepted"]);
}

#[test]
fn token_file_is_removed_at_the_end_and_after_each_signal() {
    let stage = Stage::new();
    let directory = stage.path("tmp");
    fs::create_dir(&directory).expect("a directory");
    for code in [0, 7] {
        script(&stage, &[], &format!("exit {code}")).env("TMPDIR", &directory).end();
        assert_eq!(names(&directory), [""; 0], "exit code {code}");
    }
    script(&stage, &[], "kill -KILL $$").env("TMPDIR", &directory).end();
    stage.credvend(&["exec", "--", "/no/such/program"]).env("TMPDIR", &directory).end();
    assert_eq!(names(&directory), [""; 0], "a killed program, and one that does not exist");
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::USR1] {
        let run = script(&stage, &[], "echo ready >&2; exec sleep 60").env("TMPDIR", &directory).start();
        run.line(&["ready"]);
        assert_eq!(names(&directory).len(), 1);
        run.signal(signal);
        run.wait();
        assert_eq!(names(&directory), [""; 0], "{signal:?}");
    }
}

#[test]
fn program_runs_without_a_token_file_if_none_can_be_written() {
    let stage = Stage::new();
    let commands = "test -z \"${AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE+set}\" && $CREDVEND process --from-endpoint > /dev/null && echo served";
    let absent = stage.path("absent");
    let run = script(&stage, &["--log-level", "warn"], commands).env("TMPDIR", &absent);
    let ended = run.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/inherited").end().succeeded();
    assert_eq!(ended.stdout, "served\n");
    assert!(ended.stderr.contains("token file not written") && ended.stderr.contains(&absent.display().to_string()));
    stage.refuse_leaks(&ended.stderr);
}

#[test]
fn token_file_of_a_running_program_can_be_read_after_it_changed_its_directory() {
    let stage = Stage::new();
    fs::create_dir(stage.path("tmp")).expect("a directory");
    // A path relative to the directory of credvend, which is that of the tests.
    let up = "../".repeat(std::env::current_dir().expect("a directory").components().count());
    let relative = format!("{up}{}", stage.path("tmp").display());
    let commands = "cd / && test -r \"$AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE\" && echo readable";
    let output = program_output(script(&stage, &[], commands).env("TMPDIR", relative));
    assert_eq!(output, "readable\n");
    assert_eq!(names(&stage.path("tmp")), [""; 0]);
}
