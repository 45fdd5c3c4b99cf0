use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::geteuid;
use tempfile::TempDir;

use super::{existing::MAX_FILE_SIZE, lock::LOCK_POLL_INTERVAL, temporary_file::is_temporary, *};

mod attributes;
mod other_writers;

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).expect("the file").mode() & MODE_BITS
}

fn names_in(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory).expect("the directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Returns the error of `replace`, and asserts that `probe` returns the same error.
fn refusal(path: &Path) -> ReplaceError {
    let error = replace(path, 0o600, |_| b"new".to_vec()).expect_err("a refusal");
    let probed = probe(path, 0o600).expect_err("a refusal of the probe");
    assert_eq!(error.to_string(), probed.to_string());
    assert!(!error.to_string().contains('\n'));
    error
}

/// Calls `super::probe` with a check that accepts everything.
fn probe(path: &Path, mode: u32) -> Result<(), ReplaceError> {
    super::probe(path, mode, |_| Ok(()))
}

/// Calls `super::replace` with an edit that returns no error.
fn replace(path: &Path, mode: u32, mut edit: impl FnMut(&[u8]) -> Vec<u8>) -> Result<Replaced, ReplaceError> {
    super::replace(path, mode, |old| Ok(edit(old)))
}

#[test]
fn a_failed_edit_changes_nothing() {
    let directory = directory();
    let path = directory.path().join("config");
    fs::write(&path, "theirs").expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("a mode");
    let before = fs::metadata(&path).expect("metadata");
    let refused =
        super::replace(&path, 0o600, |_| Err::<Vec<u8>, _>(ReplaceError::NotARegularFile { path: PathBuf::new() }));
    assert!(matches!(refused, Err(ReplaceError::NotARegularFile { .. })));
    let after = fs::metadata(&path).expect("metadata");
    assert_eq!((after.ino(), after.mode()), (before.ino(), before.mode()));
}

#[test]
fn waiting_for_the_lock_times_out() {
    let directory = directory();
    let open = || File::open(directory.path()).expect("the directory");
    let held = open();
    held.lock().expect("a lock");
    assert_eq!(lock(&open(), LOCK_POLL_INTERVAL * 2), Lock::TimedOut);
    drop(held);
    assert_eq!(lock(&open(), LOCK_POLL_INTERVAL), Lock::Held);
}

#[test]
fn a_missing_file_is_created_and_an_existing_file_is_edited() {
    let directory = directory();
    let path = directory.path().join("credentials");
    assert_eq!(replace(&path, 0o640, |old| [old, b"one\n"].concat()).expect("written"), Replaced::Written);
    assert_eq!(replace(&path, 0o640, |old| [old, b"two\n"].concat()).expect("written"), Replaced::Written);
    assert_eq!(fs::read(&path).expect("the file"), b"one\ntwo\n");
    assert_eq!(mode_of(&path), 0o640);
    assert_eq!(names_in(&directory), ["credentials"]);
}

#[test]
fn the_mode_is_exact_and_an_unchanged_file_is_not_written() {
    let directory = directory();
    let path = directory.path().join("credentials");
    for mode in [0o666, 0o600, 0o444, 0o604] {
        assert_eq!(replace(&path, mode, |_| b"x".to_vec()).expect("written"), Replaced::Written);
        assert_eq!(mode_of(&path), mode);
        let inode = fs::metadata(&path).expect("the file").ino();
        assert_eq!(replace(&path, mode, |_| b"x".to_vec()).expect("unchanged"), Replaced::Unchanged);
        assert_eq!(fs::metadata(&path).expect("the file").ino(), inode);
    }
}

#[test]
fn an_empty_result_creates_the_file() {
    let directory = directory();
    let path = directory.path().join("credentials");
    assert_eq!(replace(&path, 0o600, |old| old.to_vec()).expect("written"), Replaced::Written);
    assert_eq!(fs::read(&path).expect("the file"), b"");
}

#[test]
fn links_are_kept_and_their_targets_are_replaced() {
    let directory = directory();
    fs::create_dir(directory.path().join("real")).expect("a directory");
    let [first, second, real] = ["first", "second", "real/credentials"].map(|name| directory.path().join(name));
    symlink("second", &first).expect("a link");
    symlink(&real, &second).expect("a link");
    for content in ["made through a dangling link", "replaced through a link"] {
        probe(&first, 0o600).expect("a probe");
        replace(&first, 0o600, |_| content.into()).expect("written");
        assert_eq!(fs::read_to_string(&real).expect("the file"), content);
        assert!(first.is_symlink() && second.is_symlink() && !real.is_symlink());
    }
    symlink("circle", directory.path().join("circle")).expect("a link");
    assert!(matches!(refusal(&directory.path().join("circle")), ReplaceError::SymlinkLoop { .. }));
    assert!(matches!(refusal(&directory.path().join("circle/credentials")), ReplaceError::SymlinkLoop { .. }));
}

#[test]
fn a_target_that_cannot_be_replaced_is_refused_and_unchanged() {
    let directory = directory();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("folder")).expect("a directory");
    fs::write(path("large"), vec![b'#'; MAX_FILE_SIZE as usize + 1]).expect("a file");
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).expect("a socket");

    assert!(matches!(refusal(&path("missing/credentials")), ReplaceError::MissingParent { .. }));
    assert!(matches!(refusal(&path("large/credentials")), ReplaceError::MissingParent { .. }));
    assert!(matches!(refusal(&path("folder")), ReplaceError::IsADirectory { .. }));
    assert!(matches!(refusal(&path("large")), ReplaceError::TooLarge { .. }));
    assert!(matches!(refusal(&path("socket")), ReplaceError::NotARegularFile { .. }));
    assert!(matches!(refusal(Path::new("/")), ReplaceError::MountedDirectory { .. }));
    assert!(matches!(refusal(Path::new("/dev/null")), ReplaceError::NotARegularFile { .. }));
    assert_eq!(names_in(&directory), ["folder", "large", "socket"]);
}

#[test]
fn a_directory_without_write_permission_is_refused() {
    if geteuid().is_root() {
        // Root can write anywhere except where no file can be created.
        assert!(matches!(
            refusal(Path::new("/proc/self/credentials")),
            ReplaceError::MissingParent { .. } | ReplaceError::PermissionDenied { .. }
        ));
        return;
    }
    let directory = directory();
    fs::set_permissions(&directory, Permissions::from_mode(0o500)).expect("a mode");
    assert!(matches!(refusal(&directory.path().join("credentials")), ReplaceError::PermissionDenied { .. }));
}

#[test]
fn system_errors_are_explained() {
    use rustix::io::Errno;
    for (errno, advice) in [
        (Errno::NOENT, "create it or mount a volume there"),
        (Errno::NOTDIR, "create it or mount a volume there"),
        (Errno::ACCESS, "fsGroup"),
        (Errno::PERM, "fsGroup"),
        (Errno::ROFS, "mount a writable volume there"),
        (Errno::BUSY, "mount the directory that contains it instead"),
        (Errno::XDEV, "mount the directory that contains it instead"),
        (Errno::ISDIR, "set the path to a file in it"),
        (Errno::NOSPC, "free space on its volume"),
        (Errno::DQUOT, "free space on its volume"),
        (Errno::LOOP, "correct them"),
        (Errno::IO, "cannot replace"),
    ] {
        let line = explain(Path::new("/a\nb"), "replace", errno.into()).to_string();
        assert!(line.contains(advice) && line.contains(r"/a\nb") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn a_failed_rename_leaves_no_temporary_file() {
    let directory = directory();
    let path = directory.path().join("credentials");
    let target = Target::lock(&path, LOCK_TIMEOUT).expect("a target");
    fs::create_dir(&path).expect("a directory in the way");
    assert!(matches!(target.write(b"new", 0o600, None), Err(ReplaceError::IsADirectory { .. })));
    assert_eq!(names_in(&directory), ["credentials"]);
}

#[test]
fn a_temporary_file_is_private_and_has_a_name_only_when_it_is_complete() {
    let scratch = directory();
    let directory = File::open(&scratch).expect("the directory");
    for create in [TemporaryFile::create, TemporaryFile::create_named] {
        let mut temporary = create(&directory).expect("a temporary file");
        temporary.file_mut().write_all(b"new").expect("written");
        assert_eq!(temporary.file().metadata().expect("metadata").mode() & MODE_BITS, 0o600);
        temporary.link().expect("linked");
        assert!(names_in(&scratch).iter().any(|name| is_temporary(name.as_bytes())));
        assert_eq!(fs::metadata(scratch.path().join(&names_in(&scratch)[0])).expect("the file").len(), 3);
    }
    assert!(names_in(&scratch).is_empty(), "a dropped file is removed");
    let mut temporary = TemporaryFile::create(&directory).expect("a temporary file");
    temporary.link().expect("linked");
    temporary.rename("credentials".as_ref()).expect("renamed");
    assert_eq!(names_in(&scratch), ["credentials"]);
}

#[test]
fn install_replaces_a_link_itself() {
    let directory = directory();
    let [path, target] = ["credvend", "target"].map(|name| directory.path().join(name));
    fs::write(&target, "old").expect("a file");
    symlink(&target, &path).expect("a link");
    install(&path, 0o755, &mut File::open(&target).expect("a source")).expect("installed");
    assert_eq!(
        (mode_of(&path), path.is_symlink(), fs::read(&path).expect("the copy")),
        (0o755, false, b"old".to_vec())
    );
}

#[test]
fn an_edit_that_panics_keeps_the_file_and_releases_the_lock() {
    let directory = directory();
    let path = directory.path().join("credentials");
    replace(&path, 0o600, |_| b"old".to_vec()).expect("written");
    let path_in_thread = path.clone();
    thread::spawn(move || replace(&path_in_thread, 0o600, |_| panic!("on purpose"))).join().expect_err("a panic");
    assert_eq!(replace(&path, 0o600, |old| old.to_vec()).expect("the lock is free"), Replaced::Unchanged);
    assert_eq!(names_in(&directory), ["credentials"]);
}

#[test]
fn a_probe_keeps_the_content_and_removes_leftovers() {
    let directory = directory();
    let path = directory.path().join("credentials");
    fs::write(directory.path().join(".credvend-killed123456.tmp"), "secret").expect("a leftover");
    probe(&path, 0o600).expect("a probe");
    assert!(names_in(&directory).is_empty());
    fs::write(&path, "theirs").expect("a file");
    fs::write(directory.path().join(".credvend-token"), "theirs").expect("a file");
    let inode = fs::metadata(&path).expect("the file").ino();
    probe(&path, 0o640).expect("a probe");
    assert_eq!(fs::read(&path).expect("the file"), b"theirs");
    assert_eq!(
        (names_in(&directory), mode_of(&path)),
        (vec![".credvend-token".to_owned(), "credentials".to_owned()], 0o640)
    );
    assert_ne!(fs::metadata(&path).expect("the file").ino(), inode);
}

#[test]
fn the_owner_is_preserved() {
    if !geteuid().is_root() {
        return;
    }
    let directory = directory();
    let path = directory.path().join("credentials");
    fs::write(&path, "theirs").expect("a file");
    chown(&path, Some(1234), Some(4321)).expect("another owner");
    replace(&path, 0o640, |_| b"ours".to_vec()).expect("written");
    let metadata = fs::metadata(&path).expect("the file");
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & MODE_BITS), (1234, 4321, 0o640));
}

/// Each writer increments the counter in its own line. The filling makes the file too large for a single write.
#[test]
fn no_update_is_lost_and_readers_see_no_partial_file() {
    const WRITERS: [&str; 2] = ["a", "b"];
    const ROUNDS: usize = 150;
    // The writers do not take turns, so one may wait for the lock for long.
    const PATIENCE: Duration = Duration::from_secs(600);

    fn counts(content: &str) -> [usize; 2] {
        let mut lines = content.lines();
        let counts = WRITERS.map(|writer| {
            let line = lines.next().expect("a line for each writer");
            line.strip_prefix(writer).expect("the writer's line").parse().expect("a count")
        });
        assert_eq!(lines.filter(|line| *line == "filling").count(), counts[0] + counts[1] + 10_000);
        assert!(content.ends_with('\n'));
        counts
    }

    let directory = directory();
    let path = directory.path().join("credentials");
    fs::write(&path, format!("a0\nb0\n{}", "filling\n".repeat(10_000))).expect("a file");
    let is_done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (mut last, mut seen) = ([0, 0], 0);
            while !is_done.load(Ordering::Relaxed) {
                let now = counts(&fs::read_to_string(&path).expect("the file is always there"));
                assert!(now[0] >= last[0] && now[1] >= last[1]);
                (last, seen) = (now, seen + 1);
            }
            seen
        });
        let writers = [0, 1].map(|own| {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let edit = |old: &[u8]| {
                        let old = std::str::from_utf8(old).expect("text");
                        let mut counts = counts(old);
                        counts[own] += 1;
                        let filling = old.splitn(3, '\n').nth(2).expect("filling");
                        let text = format!("a{}\nb{}\n{filling}filling\n", counts[0], counts[1]);
                        Ok::<_, ReplaceError>(text.into_bytes())
                    };
                    assert_eq!(replace_within(path, 0o600, PATIENCE, edit).expect("written"), Replaced::Written);
                }
            })
        });
        let results = writers.map(|writer| writer.join());
        is_done.store(true, Ordering::Relaxed);
        assert!(results.iter().all(Result::is_ok));
        reader.join().expect("the reader")
    });
    assert!(seen > 0);
    assert_eq!(counts(&fs::read_to_string(&path).expect("the file")), [ROUNDS, ROUNDS]);
    assert_eq!(names_in(&directory), ["credentials"]);
}
