use std::{
    fs,
    io::Write as _,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use crate::support::{Credvend, ROLE_A, Signal, Stage, fifo, get, wait_until};

/// The most memory that credvend can need to refuse a file, in KiB. A file without a limit would fill all memory.
const MAX_MEMORY: u32 = 262_144;

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}"#;

/// Runs the command with limited virtual memory, and asserts that it fails soon.
fn refused(credvend: Credvend, code: i32, texts: &[&str]) {
    let mut running = credvend.limit_memory(MAX_MEMORY).start();
    wait_until("credvend refuses the file", || !running.is_running());
    running.wait().failed(code, texts);
}

/// Returns a file of each kind that is not regular, with the name of the kind: a FIFO that nobody writes to, and a link to
/// a device that never ends.
fn special_files(stage: &Stage) -> [(PathBuf, &'static str); 2] {
    let device = stage.path("endless");
    symlink("/dev/zero", &device).expect("a link");
    [(fifo(stage.path("fifo")), "it is a FIFO"), (device, "it is a device, not a regular file")]
}

fn config(stage: &Stage) -> String {
    format!("[default]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {}\n", stage.tokens.token_file().display())
}

#[test]
fn no_file_blocks_a_command_or_fills_the_memory() {
    let stage = Stage::new();
    let configured = stage.write("config", &config(&stage));
    for (path, kind) in special_files(&stage) {
        let text = path.display().to_string();
        for command in ["export", "run"] {
            refused(stage.bare(&[command, "--config", &text]), 2, &["--config", &text, kind]);
        }
        let credentials = stage.bare(&["export"]).env("AWS_CONFIG_FILE", &configured);
        refused(credentials.env("AWS_SHARED_CREDENTIALS_FILE", &path), 2, &["credentials file", &text, kind]);
        refused(stage.credvend(&["export", "--policy", &format!("@{text}")]), 2, &["--policy", &text, kind]);
        refused(stage.credvend(&["export"]).env("AWS_CA_BUNDLE", &path), 2, &["AWS_CA_BUNDLE", &text, kind]);
        refused(stage.credvend(&["export", "--web-identity-token-file", &text]), 3, &[&text, "not a regular file"]);
        refused(stage.credvend(&["status", "--auth-token-file", &text]), 1, &[&text, kind]);
        let container = "[default]\ncredential_source = EcsContainer\nrole_arn = arn:aws:iam::111111111111:role/r\n";
        let container = stage.with_config(&["export"], container);
        let container = container.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/");
        refused(container.env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", &path), 3, &[&text, kind]);
        // The default file, which credvend finds by itself.
        stage.write(".aws/placeholder", "");
        let default = stage.path(".aws/config");
        let _ = fs::remove_file(&default);
        fs::rename(&path, &default).expect("moved");
        refused(stage.bare(&["export"]), 2, &[".aws/config", kind]);
        fs::remove_file(default).expect("removed");
    }
}

#[test]
fn files_that_are_too_large_are_refused_with_the_limit() {
    let stage = Stage::new();
    let path = stage.write("large", "");
    fs::File::options().write(true).open(&path).expect("a file").set_len(1 << 40).expect("a sparse file");
    let text = path.display().to_string();
    refused(stage.bare(&["export", "--config", &text]), 2, &["larger than 1048576 bytes"]);
    refused(stage.credvend(&["export", "--policy", &format!("@{text}")]), 2, &["larger than 262144 bytes"]);
    refused(stage.credvend(&["export"]).env("AWS_CA_BUNDLE", &path), 2, &["larger than 4194304 bytes"]);
}

#[test]
fn null_device_is_an_empty_config_and_credentials_file() {
    let stage = Stage::new();
    let path = stage.write("config", &config(&stage));
    let export = |config: &Path, credentials: &str| {
        let export = stage.bare(&["export"]).env("AWS_CONFIG_FILE", config);
        export.env("AWS_SHARED_CREDENTIALS_FILE", credentials).end()
    };
    export(&path, "/dev/null").succeeded();
    export(Path::new("/dev/null"), "/dev/null").failed(2, &["no profile default in /dev/null"]);
}

#[test]
fn config_and_policy_can_come_from_the_output_of_a_command() {
    let stage = Stage::new();
    let (policy, path) = (fifo(stage.path("policy.fifo")), fifo(stage.path("config.fifo")));
    for (fifo, content, export) in [
        (&path, config(&stage), stage.bare(&["export"]).arg("--config").arg(&path)),
        (&policy, POLICY.into(), stage.credvend(&["export"]).arg("--policy").arg(format!("@{}", policy.display()))),
    ] {
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut writer = fs::File::options().write(true).open(fifo).expect("a reader");
                let (first, second) = content.split_at(content.len() / 2);
                writer.write_all(first.as_bytes()).expect("read");
                // A writer that is slower than the timeout for a missing writer.
                thread::sleep(Duration::from_millis(2_500));
                writer.write_all(second.as_bytes()).expect("read");
            });
            export.end().succeeded();
        });
    }
}

#[test]
fn timeout_bounds_the_wait_for_the_end_of_a_fifo() {
    let stage = Stage::new();
    let path = fifo(stage.path("fifo"));
    let _silent_writer = fs::File::options().read(true).write(true).open(&path).expect("opened");
    let mut running = stage.bare(&["export", "--timeout", "1s", "--config"]).arg(&path).start();
    wait_until("export gives up", || !running.is_running());
    running.wait().failed(2, &["it is a FIFO whose writer did not close it within 1s"]);
}

#[test]
fn reload_refuses_special_files_and_continues_to_serve() {
    let stage = Stage::new();
    let path = stage.write("config", &config(&stage));
    let run = stage.bare(&["run", "--listen", "127.0.0.1:0"]).env("AWS_CONFIG_FILE", &path).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    for (special, kind) in special_files(&stage) {
        fs::rename(special, &path).expect("replaced");
        // The writer of a FIFO would be waited for if the FIFO were read.
        let _writer = kind.contains("FIFO").then(|| fs::File::options().read(true).write(true).open(&path));
        run.signal(Signal::HUP);
        run.line(&["configuration not reloaded", kind, "not a regular file"]);
        assert_eq!(get(address, "/v1/credentials", &[]).status, 200);
    }
    run.terminate().succeeded();
}
