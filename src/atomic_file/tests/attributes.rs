//! Extended attributes, access control lists and hard links of a replaced file.

use rustix::fs::{XattrFlags, fsetxattr, getxattr};

use super::*;

/// Returns an access control list that lets user 1000 read.
fn access_control_list(mask: u8) -> Vec<u8> {
    let entry = |tag: u8, permission: u8, id: u32| [&[tag, 0, permission, 0][..], &id.to_le_bytes()].concat();
    let nobody = u32::MAX;
    let entries = [(1, 6, nobody), (2, 4, 1000), (4, 4, nobody), (0x10, mask, nobody), (0x20, 0, nobody)];
    entries
        .iter()
        .fold(2_u32.to_le_bytes().to_vec(), |list, &(tag, permission, id)| [list, entry(tag, permission, id)].concat())
}

fn value_of(path: &Path, name: &str) -> Option<Vec<u8>> {
    let mut value = vec![0; 256];
    let length = getxattr(path, name, &mut value[..]).ok()?;
    value.truncate(length);
    Some(value)
}

/// Creates a file with an attribute. Returns false if the file system does not support the attribute.
#[expect(clippy::print_stderr, reason = "says why a test is skipped")]
fn create_with(path: &Path, name: &str, value: &[u8]) -> bool {
    fs::write(path, "theirs").expect("a file");
    let file = File::open(path).expect("the file");
    let is_set = fsetxattr(&file, name, value, XattrFlags::empty()).is_ok();
    if !is_set {
        eprintln!("skipped: the file system of the temporary directory does not support {name}");
    }
    is_set
}

#[test]
fn extended_attributes_are_kept() {
    let directory = directory();
    let path = directory.path().join("credentials");
    if !create_with(&path, "user.origin", b"vault") {
        return;
    }
    replace(&path, 0o600, |_| b"ours".to_vec()).expect("written");
    assert_eq!(value_of(&path, "user.origin").as_deref(), Some(&b"vault"[..]));
    probe(&path, 0o600).expect("a probe");
    assert_eq!(value_of(&path, "user.origin").as_deref(), Some(&b"vault"[..]));
}

#[test]
fn access_control_list_is_kept_within_the_mode() {
    let directory = directory();
    let path = directory.path().join("credentials");
    if !create_with(&path, "system.posix_acl_access", &access_control_list(4)) {
        return;
    }
    for (mode, mask) in [(0o640, 4), (0o600, 0)] {
        replace(&path, mode, |old| [old, b"."].concat()).expect("written");
        assert_eq!(mode_of(&path), mode);
        assert_eq!(value_of(&path, "system.posix_acl_access"), Some(access_control_list(mask)), "mode {mode:o}");
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "says why the test is skipped")]
fn default_list_of_the_directory_does_not_widen_a_file_that_had_none() {
    let directory = directory();
    let path = directory.path().join("credentials");
    fs::write(&path, "theirs").expect("a file");
    let opened = File::open(&directory).expect("the directory");
    if fsetxattr(&opened, "system.posix_acl_default", &access_control_list(4), XattrFlags::empty()).is_err() {
        eprintln!("skipped: the file system of the temporary directory has no access control lists");
        return;
    }
    replace(&path, 0o640, |_| b"ours".to_vec()).expect("written");
    assert_eq!(value_of(&path, "system.posix_acl_access"), None);
}

#[test]
fn other_hard_links_keep_the_old_content() {
    let directory = directory();
    let [path, link] = ["credentials", "link"].map(|name| directory.path().join(name));
    fs::write(&path, "old").expect("a file");
    fs::hard_link(&path, &link).expect("a hard link");
    replace(&path, 0o600, |_| b"new".to_vec()).expect("written");
    assert_eq!((fs::read(&path).expect("new"), fs::read(&link).expect("old")), (b"new".to_vec(), b"old".to_vec()));
}
