//! Files and links that another user has planted in a directory that others can write to.

use std::{
    fs::{self, Permissions},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink},
    path::Path,
    time::Duration,
};

use crate::support::{Credvend, Signal, Stage, get, wait_until};

const OTHER_USER: u32 = 4242;

/// Gives a file or a link to another user. Returns false if this process is not root: only root can do that.
fn give_away(path: &Path) -> bool {
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        lchown(path, Some(OTHER_USER), Some(OTHER_USER)).expect("another owner");
    } else {
        eprintln!("skipped: only root can create files of another user");
    }
    is_root
}

/// Waits until the command refuses to start.
#[track_caller]
fn refused(command: Credvend, texts: &[&str]) {
    let mut running = command.start();
    wait_until("the command ends", || !running.is_running());
    running.wait().failed(6, texts);
}

/// Creates a directory that everybody can write to, as an `emptyDir` is.
fn shared_directory(stage: &Stage, mode: u32) -> std::path::PathBuf {
    let path = stage.path("shared");
    fs::create_dir_all(&path).expect("create directory");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set mode");
    path
}

/// Returns the commands that write the file `planted` in the shared directory.
fn writers(stage: &Stage, file: &Path) -> Vec<Credvend> {
    let run = |arguments: &[&str]| stage.credvend(&[&["run", "--listen", "127.0.0.1:0"], arguments].concat());
    vec![
        stage.credvend(&["export", "--output"]).arg(file),
        run(&["--once", "--credentials-file"]).arg(file),
        run(&["--credentials-file"]).arg(file),
        run(&["--config-file"]).arg(file),
        run(&["--auth-token-file"]).arg(file),
        run(&["--auth-token-dir"]).arg(file.parent().expect("a parent")),
    ]
}

#[test]
fn planted_link_is_refused_for_every_written_file() {
    for mode in [0o777, 0o1777, 0o2770] {
        let stage = Stage::new();
        let file = shared_directory(&stage, mode).join("default");
        let target = stage.write("target", "root's own\n");
        symlink(&target, &file).expect("create symlink");
        if !give_away(&file) {
            return;
        }
        let before = fs::metadata(&target).expect("read metadata");
        for writer in writers(&stage, &file) {
            refused(writer, &["shared/default", "symbolic link of uid 4242", "runAsUser"]);
        }
        let after = fs::metadata(&target).expect("read metadata");
        assert_eq!(stage.read("target"), "root's own\n");
        assert_eq!((after.ino(), after.mode(), after.mtime_nsec()), (before.ino(), before.mode(), before.mtime_nsec()));
        // A dangling link would create a file.
        fs::remove_file(&target).expect("remove");
        for writer in writers(&stage, &file) {
            refused(writer, &["symbolic link of uid 4242"]);
        }
        assert!(!target.exists());
    }
}

#[test]
fn planted_file_is_refused_for_every_written_file() {
    let stage = Stage::new();
    let file = shared_directory(&stage, 0o1777).join("default");
    fs::write(&file, "").expect("write");
    fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("set mode");
    if !give_away(&file) {
        return;
    }
    for writer in writers(&stage, &file) {
        refused(
            writer,
            &["shared/default", "belongs to uid 4242", "in a sticky directory", "mode 1777, uid 0", "runAsUser"],
        );
    }
    assert_eq!(fs::metadata(&file).expect("read metadata").len(), 0);
    assert_eq!(fs::read_dir(stage.path("shared")).expect("list directory").count(), 1, "no temporary file remains");

    // The same for a binary.
    let binary = stage.path("shared/credvend");
    fs::write(&binary, "").expect("write");
    give_away(&binary);
    Credvend::new(&["install"]).arg(stage.path("shared")).end().failed(6, &["belongs to uid 4242"]);
}

/// A memory-backed `emptyDir` is sticky: this user can create files in it, but cannot replace one that root left there.
#[test]
fn sticky_bit_that_prevents_the_replacement_is_named() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can create files of another user");
        return;
    }
    let stage = Stage::new();
    fs::set_permissions(stage.path("."), Permissions::from_mode(0o755)).expect("set mode");
    let file = shared_directory(&stage, 0o3777).join("default");
    for mode in [0o644, 0o600] {
        fs::write(&file, "").expect("write");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("set mode");
        for writer in writers(&stage, &file) {
            let texts = ["shared/default", "belongs to uid 0", "sticky bit", "uid 4242 from replacing it", "runAsUser"];
            refused(writer.user(OTHER_USER), &texts);
        }
        assert_eq!(fs::metadata(&file).expect("read metadata").uid(), 0);
    }
}

#[test]
fn own_file_in_a_shared_directory_and_foreign_file_in_an_own_directory_are_written() {
    let stage = Stage::new();
    let file = shared_directory(&stage, 0o1777).join("credentials");
    fs::write(&file, "# kept\n").expect("write");
    let run = |file: &Path| stage.credvend(&["run", "--once", "--credentials-file"]).arg(file).end().succeeded();
    run(&file);
    assert!(fs::read_to_string(&file).expect("read").starts_with("# kept\n"));

    let file = stage.write("own/credentials", "# kept\n");
    if !give_away(&file) {
        return;
    }
    run(&file);
    assert_eq!(fs::metadata(&file).expect("read metadata").uid(), OTHER_USER, "root does not take the file over");
    // A user's own directory, in which only this user can write.
    chown(stage.path("own"), Some(OTHER_USER), Some(OTHER_USER)).expect("another owner");
    run(&file);
}

#[test]
fn planted_authorization_token_is_refused() {
    let stage = Stage::new();
    let file = shared_directory(&stage, 0o777).join("default");
    fs::write(&file, "chosen-by-somebody-else").expect("write");
    fs::set_permissions(&file, Permissions::from_mode(0o666)).expect("set mode");
    if !give_away(&file) {
        return;
    }
    for (flag, path) in [("--auth-token-file", file), ("--auth-token-dir", stage.path("shared"))] {
        let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", flag]).arg(path);
        refused(run, &["belongs to uid 4242"]);
    }
    assert_eq!(stage.actions(), [""; 0]);
}

#[test]
fn authorization_token_that_is_planted_while_running_is_not_accepted() {
    let stage = Stage::new();
    let token = shared_directory(&stage, 0o1777).join("token");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--auth-token-file"]).arg(&token).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    let own = fs::read_to_string(&token).expect("read the token");
    fs::remove_file(&token).expect("remove");
    fs::write(&token, "chosen-by-somebody-else").expect("write");
    if !give_away(&token) {
        return;
    }
    let status = |token: &str| get(address, "/v1/credentials", &[&format!("Authorization: {token}")]).status;
    let reported = ["WARN", "belongs to uid 4242", "the previous token stays valid"];
    wait_until("the planted token is noticed", || {
        assert_eq!(status("chosen-by-somebody-else"), 401);
        run.stderr().contains(reported[1])
    });
    run.line(&reported);
    // The file is read again after a second.
    std::thread::sleep(Duration::from_millis(1200));
    assert_eq!((status("chosen-by-somebody-else"), status(&own)), (401, 200));
    assert_eq!(run.stderr().matches(reported[1]).count(), 1, "{}", run.stderr());
    run.terminate().succeeded();
}

#[test]
fn planted_web_identity_token_is_refused() {
    let stage = Stage::new();
    let token = shared_directory(&stage, 0o1777).join("token");
    fs::copy(stage.tokens.token_file(), &token).expect("copy the token");
    let command = |arguments: &[&str]| stage.credvend(arguments).env("AWS_WEB_IDENTITY_TOKEN_FILE", &token);
    let run = command(&["run", "--listen", "127.0.0.1:0"]).start();
    run.line(&["credentials obtained"]);
    if !give_away(&token) {
        return;
    }
    for arguments in [&["export"][..], &["process"], &["run"], &["exec", "true"], &["trust-policy"]] {
        refused(command(arguments), &["shared/token", "belongs to uid 4242", "runAsUser"]);
    }
    let check = command(&["check", "--offline"]).end();
    assert_eq!(check.code, Some(6), "{check:?}");
    assert!(check.stdout.contains("belongs to uid 4242"), "{check:?}");

    // A token that is planted while `run` runs is a failed exchange.
    run.signal(Signal::HUP);
    run.line(&["exchange failed", "belongs to uid 4242", "retry"]);
    fs::remove_file(&token).expect("remove");
    fs::copy(stage.tokens.token_file(), &token).expect("copy the token");
    run.lines(&["credentials obtained"], 2);
    run.terminate().succeeded();
}

#[test]
fn projected_volume_of_the_kubelet_is_trusted() {
    let stage = Stage::new();
    // The kubelet's volume is a tmpfs that everybody could write to, if it were not mounted read-only.
    let volume = stage.tokens.token_file().parent().expect("a volume").to_owned();
    fs::set_permissions(&volume, Permissions::from_mode(0o1777)).expect("set mode");
    stage.credvend(&["export"]).end().succeeded();
    // With one runAsUser for all containers, the token belongs to that user, and its directory to root.
    let token = stage.tokens.token_file().canonicalize().expect("the token");
    if give_away(&token) {
        stage.credvend(&["export"]).end().succeeded();
    }
}

#[test]
fn client_sends_the_token_of_another_user_but_follows_no_planted_link() {
    let stage = Stage::new();
    let shared = shared_directory(&stage, 0o1777);
    let run =
        stage.credvend(&["run", "--listen", "127.0.0.1:0", "--auth-token-file"]).arg(shared.join("token")).start();
    let url = format!("http://{}/v1/credentials", run.address());
    run.line(&["credentials obtained"]);
    let process =
        |file: &Path| Credvend::new(&["process", "--from-endpoint", &url, "--auth-token-file"]).arg(file).end();
    // The application runs as another user than credvend.
    if !give_away(&shared.join("token")) {
        return;
    }
    process(&shared.join("token")).succeeded();
    symlink(shared.join("token"), shared.join("link")).expect("create symlink");
    give_away(&shared.join("link"));
    process(&shared.join("link")).failed(6, &["symbolic link of uid 4242"]);
}

#[test]
fn token_that_others_can_read_or_write_is_reported() {
    let stage = Stage::new();
    let token = stage.write("token", "given-by-hand");
    fs::set_permissions(&token, Permissions::from_mode(0o666)).expect("set mode");
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--file-mode", "0644", "--auth-token-file"]);
    let run = run.arg(&token).start();
    run.line(&["WARN", "other users can write to the authorization token file"]);
    run.line(&["WARN", "every user can read the authorization token file"]);
    assert_eq!(fs::metadata(&token).expect("read metadata").mode() & 0o777, 0o644);
    stage.refuse_leaks(&run.stderr());
}
