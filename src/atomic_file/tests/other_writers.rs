//! Writers that do not take the lock, and processes that hold it.

use super::*;

#[test]
fn a_file_that_changes_during_the_edit_is_read_again() {
    let directory = directory();
    let path = directory.path().join("credentials");
    // Truncated and written in place, as the AWS CLI does; replaced; removed; created; and changed without a new length.
    type Change = fn(&Path);
    let changes: [(&str, Change); 5] = [
        ("written in place", |path| fs::write(path, "theirs, longer\n").expect("written")),
        ("replaced", |path| {
            fs::write(path.with_extension("new"), "theirs\n").expect("written");
            fs::rename(path.with_extension("new"), path).expect("renamed");
        }),
        ("same length", |path| fs::write(path, "thEIRS\n").expect("written")),
        ("removed", |path| fs::remove_file(path).expect("removed")),
        ("created", |path| fs::write(path, "theirs\n").expect("written")),
    ];
    for (what, change) in changes {
        let mut round = 0;
        replace(&path, 0o600, |old| {
            round += 1;
            if round == 1 {
                change(&path);
            }
            [old, b"ours\n"].concat()
        })
        .expect("written");
        let content = fs::read_to_string(&path).expect("the file");
        assert_eq!(round, 2, "{what}");
        assert!(content.ends_with("ours\n") && !content.contains("ours\nours"), "{what}: {content}");
        assert_eq!(content.to_lowercase().contains("theirs"), what != "removed", "{what}: {content}");
        fs::write(&path, "theirs\n").expect("reset");
        if what == "removed" {
            fs::remove_file(&path).expect("removed");
        }
    }
    assert_eq!(names_in(&directory), ["credentials"]);
}

#[test]
fn what_a_process_writes_to_the_replaced_file_is_not_lost() {
    let directory = directory();
    let path = directory.path().join("credentials");
    fs::write(&path, "old\n").expect("a file");
    let target = Target::lock(&path, LOCK_TIMEOUT).expect("a target");
    let existing = target.read().expect("read").expect("a file");
    let mut opened = File::options().write(true).truncate(true).open(&path).expect("the file");
    // The process has truncated the file; the replacement does not wait for it here.
    let existing =
        Existing { metadata: opened.metadata().expect("metadata"), content: Zeroizing::default(), ..existing };
    assert!(target.write(b"ours\n", 0o600, Some(&existing)).expect("written"));
    opened.write_all(b"theirs\n").expect("written");
    assert_eq!(existing.content_written_since().expect("late").as_slice(), b"theirs\n");

    let existing = target.read().expect("read").expect("a file");
    assert!(target.write(b"new\n", 0o600, Some(&existing)).expect("written"));
    assert!(existing.content_written_since().is_none());
}

#[test]
fn a_file_that_changes_all_the_time_is_left_alone() {
    let directory = directory();
    let path = directory.path().join("credentials");
    let mut round = 0;
    let result = replace(&path, 0o600, |_| {
        round += 1;
        fs::write(&path, format!("theirs {round}")).expect("written");
        b"ours".to_vec()
    });
    assert!(matches!(result, Err(ReplaceError::KeepsChanging { .. })), "{result:?}");
    assert!(fs::read_to_string(&path).expect("the file").starts_with("theirs"));
    assert_eq!(names_in(&directory), ["credentials"]);
}

#[test]
fn a_held_lock_delays_a_write_but_does_not_prevent_it() {
    let directory = directory();
    let path = directory.path().join("credentials");
    let held = File::open(&directory).expect("the directory");
    held.lock().expect("a lock");
    fs::write(directory.path().join(".credvend-0123456789ab.tmp"), "of a running process").expect("a file");
    let write = || replace_within(&path, 0o600, LOCK_POLL_INTERVAL, |_| Ok::<_, ReplaceError>(b"new".to_vec()));
    assert_eq!(write().expect("written without the lock"), Replaced::Written);
    probe(&path, 0o600).expect("a probe without the lock");
    assert_eq!(names_in(&directory), [".credvend-0123456789ab.tmp", "credentials"]);
    drop(held);
    assert_eq!(write().expect("unchanged"), Replaced::Unchanged);
    assert_eq!(names_in(&directory), ["credentials"], "leftovers are removed under the lock");
}
