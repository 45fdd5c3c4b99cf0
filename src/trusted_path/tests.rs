use std::{
    fs::{self, Permissions},
    os::unix::fs::{PermissionsExt as _, chown, symlink},
};

use super::*;

const OWN: u32 = 1000;
const OTHER: u32 = 2000;
const THIRD: u32 = 3000;

#[test]
fn only_entries_that_nobody_else_can_have_placed_are_trusted() {
    let directory = |mode: u32, owner, is_planted| Directory { mode: 0o040_000 | mode, owner, is_planted };
    for (mode, owner, is_planted, entry, is_trusted) in [
        // Root's and our own entries are trusted in every directory.
        (0o777, ROOT, false, ROOT, true),
        (0o777, ROOT, false, OWN, true),
        (0o755, OTHER, true, OWN, true),
        // The memory of a pod: with and without the sticky bit, with and without fsGroup.
        (0o777, ROOT, false, OTHER, false),
        (0o1777, ROOT, false, OTHER, false),
        (0o2777, ROOT, false, OTHER, false),
        (0o3777, OWN, false, OTHER, false),
        (0o770, ROOT, false, OTHER, false),
        (0o757, OWN, false, OTHER, false),
        // Only root or this user can have placed it.
        (0o755, ROOT, false, OTHER, true),
        (0o700, OWN, false, OTHER, true),
        // Only the entry's owner can have placed it, in a directory that only this owner controls.
        (0o755, OTHER, false, OTHER, true),
        (0o775, OTHER, false, OTHER, false),
        (0o755, OTHER, false, THIRD, false),
        // The directory itself may be planted.
        (0o755, OTHER, true, OTHER, false),
        (0o755, ROOT, true, OTHER, false),
    ] {
        let found = directory(mode, owner, is_planted).is_trusted(entry, OWN);
        assert_eq!(found, is_trusted, "mode {mode:o}, owner {owner}, planted {is_planted}, entry of {entry}");
    }
    // Root trusts no more than others.
    assert!(!directory(0o1777, ROOT, false).is_trusted(OTHER, ROOT));
    assert!(directory(0o755, OTHER, false).is_trusted(OTHER, ROOT));
}

#[test]
fn paths_are_resolved_as_the_kernel_does() {
    let scratch = tempfile::tempdir().expect("a directory");
    let root = scratch.path();
    fs::create_dir_all(root.join("a/b")).expect("directories");
    fs::write(root.join("a/b/file"), "text").expect("a file");
    symlink("b/file", root.join("a/relative")).expect("a link");
    symlink(root.join("a"), root.join("absolute")).expect("a link");
    symlink("../a/b", root.join("a/up")).expect("a link");
    symlink("circle", root.join("circle")).expect("a link");
    let name = |path: &str| root.join(path);
    for path in
        ["a/b/file", "a/relative", "absolute/relative", "a/up/file", "a/b/../b/./file", "absolute/up/../relative"]
    {
        assert_eq!(read(&name(path), 10, Owners::Trusted).expect(path).as_str(), "text", "{path}");
        let location = Location::find(&name(path), LastLink::Follow).expect(path);
        assert_eq!(location.path().canonicalize().expect(path), name("a/b/file").canonicalize().expect("the file"));
    }
    let error = |path: &str| read(&name(path), 10, Owners::Trusted).expect_err(path);
    assert!(error("a/missing").is_not_found() && error("missing/file").is_not_found());
    assert!(matches!(error("a/b/file/x"), ReadError::Io(error) if error.kind() == ErrorKind::NotADirectory));
    for (path, kind) in [("a", "a directory"), ("/", "a directory"), ("/dev/zero", "a device")] {
        assert!(matches!(error(path), ReadError::NotRegular(found) if found == kind), "{path}");
    }
    assert_eq!(read(Path::new("/dev/null"), 10, Owners::Trusted).expect("empty").as_str(), "");
    let circle = Location::find(&name("circle"), LastLink::Follow).err().expect("an error");
    assert_eq!(circle.raw_os_error(), Some(Errno::LOOP.raw_os_error()));
    let kept = Location::find(&name("circle"), LastLink::Keep).expect("the link itself");
    assert!(kept.metadata().expect("metadata").is_some_and(|metadata| metadata.is_symlink()));
    // Links in /proc have no target that a path could name.
    assert!(Location::find(Path::new("/proc/self/root/proc/self/status"), LastLink::Follow).is_ok());
}

#[test]
fn hard_links_are_refused_only_where_others_can_make_them() {
    let scratch = tempfile::tempdir().expect("a directory");
    let [file, link] = ["file", "link"].map(|name| scratch.path().join(name));
    fs::write(&file, "text").expect("a file");
    fs::hard_link(&file, &link).expect("a link");
    assert!(read(&link, 10, Owners::Trusted).is_ok());
    fs::set_permissions(&scratch, Permissions::from_mode(0o1777)).expect("a mode");
    let error = read(&link, 10, Owners::Trusted).expect_err("refused");
    assert!(Planted::in_read_error(&error).expect("planted").to_string().contains("has several hard links"), "{error}");
    assert!(refuse_planted(&link).is_err() && refuse_planted(&scratch.path().join("missing")).is_ok());
}

#[test]
#[expect(clippy::print_stderr, reason = "says why the test is skipped")]
fn files_and_links_of_another_user_are_refused_where_others_can_write() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can create files of another user");
        return;
    }
    let scratch = tempfile::tempdir().expect("a directory");
    let root = scratch.path();
    fs::write(root.join("target"), "root's").expect("a file");
    fs::create_dir(root.join("shared")).expect("a directory");
    fs::set_permissions(root.join("shared"), Permissions::from_mode(0o1777)).expect("a mode");
    let theirs = |path: &Path| std::os::unix::fs::lchown(path, Some(OTHER), Some(OTHER)).expect("another owner");
    let planted = |path: &str, owners| {
        let error = read(&root.join(path), 10, owners).expect_err(path);
        Planted::in_read_error(&error).unwrap_or_else(|| panic!("{path}: {error}")).to_string()
    };

    fs::write(root.join("shared/file"), "theirs").expect("a file");
    theirs(&root.join("shared/file"));
    let text = planted("shared/file", Owners::Trusted);
    assert!(text.contains("uid 2000") && text.contains("mode 1777, uid 0"), "{text}");
    assert!(read(&root.join("shared/file"), 10, Owners::Any).is_ok());

    // A link, in the last component and before it, and to a missing file.
    for (name, target) in [("link", "../target"), ("directory-link", ".."), ("dangling", "../missing")] {
        symlink(target, root.join("shared").join(name)).expect("a link");
        theirs(&root.join("shared").join(name));
    }
    for owners in [Owners::Trusted, Owners::Any] {
        for path in ["shared/link", "shared/directory-link/target", "shared/dangling"] {
            assert!(planted(path, owners).contains("symbolic link of uid 2000"), "{path}");
        }
    }

    // A directory of another user, in the same place: only our own files in it are trusted.
    fs::create_dir(root.join("shared/directory")).expect("a directory");
    theirs(&root.join("shared/directory"));
    fs::write(root.join("shared/directory/ours"), "ours").expect("a file");
    fs::write(root.join("shared/directory/theirs"), "theirs").expect("a file");
    theirs(&root.join("shared/directory/theirs"));
    assert!(read(&root.join("shared/directory/ours"), 10, Owners::Trusted).is_ok());
    planted("shared/directory/theirs", Owners::Trusted);

    // A user's own directory: the user's files are trusted, and links that stay with the user.
    fs::create_dir(root.join("home")).expect("a directory");
    chown(root.join("home"), Some(OTHER), Some(OTHER)).expect("another owner");
    for name in ["file", "link", "escape", "create"] {
        let path = root.join("home").join(name);
        match name {
            "file" => fs::write(&path, "theirs").expect("a file"),
            "link" => symlink("file", &path).expect("a link"),
            "escape" => symlink("../target", &path).expect("a link"),
            _ => symlink("../missing", &path).expect("a link"),
        }
        theirs(&path);
    }
    for path in ["home/file", "home/link"] {
        assert!(read(&root.join(path), 10, Owners::Trusted).is_ok(), "{path}");
    }
    planted("home/escape", Owners::Trusted);
    assert!(refuse_planted(&root.join("home/create")).is_err());
}
