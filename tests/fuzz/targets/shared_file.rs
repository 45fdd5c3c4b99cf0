//! Credentials files: a write changes nothing but the lines that credvend owns, a second write changes nothing at all, and every
//! reader that could read the file reads the new credentials and the same other values. A refused file is not written. Reading
//! never panics. Input: 0 for one profile or another byte for two, and the file.
#![no_main]

use credvend::fuzzing::{self, Sections};
use libfuzzer_sys::fuzz_target;

const VALUES: [&str; 3] = ["ASIANEW", "secret/NEW+1=", "token/NEW=="];
const KEYS: [&str; 4] = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token"];

fuzz_target!(|data: &[u8]| {
    let Some((count, before)) = data.split_first() else { return };
    let profiles: &[&str] = if *count == 0 { &["default"] } else { &["x", "default"] };
    let _ = fuzzing::read_file(true, before);
    let Ok(after) = fuzzing::update_file(before, profiles, VALUES).expect("valid values") else { return };
    assert_eq!(fuzzing::update_file(&after, profiles, VALUES), Some(Ok(after.clone())), "a second write");
    check_bytes(before, &after, profiles);
    let sdks = [before, &after].map(|file| fuzzing::read_file(false, file).ok());
    let botocore = [before, &after].map(fuzzing::read_file_as_botocore);
    assert!(sdks[1].is_some() || botocore[1].is_some(), "nobody can read the credentials");
    for [before, after] in [sdks, botocore] {
        check_values(before.as_ref(), after.as_ref(), profiles);
    }
});

/// Checks that the lines of others are the same, in the same order, and that no line is added but those of credvend.
fn check_bytes(before: &[u8], after: &[u8], profiles: &[&str]) {
    let headers: Vec<String> = profiles.iter().map(|profile| format!("[{profile}]")).collect();
    let is_ours = |line: &[u8]| {
        let lower = line.to_ascii_lowercase();
        line.starts_with(b"# credvend: ") || KEYS.iter().any(|key| lower.starts_with(key.as_bytes()))
    };
    let is_foreign =
        |line: &&[u8]| !line.is_empty() && !line.starts_with(b" ") && !line.starts_with(b"\t") && !is_ours(line);
    let split = |file: &[u8]| -> Vec<Vec<u8>> {
        let file = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file);
        let lines = file.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        lines.filter(is_foreign).map(<[u8]>::to_vec).collect()
    };
    let (before, mut after) = (split(before), split(after));
    let added = after.split_off(before.len().min(after.len()));
    assert_eq!(before, after, "lines of others");
    assert!(added.iter().all(|line| headers.iter().any(|header| header.as_bytes() == line)), "{added:?}");
}

fn check_values(before: Option<&Sections>, after: Option<&Sections>, profiles: &[&str]) {
    let Some(after) = after else {
        assert!(before.is_none(), "the file became unreadable");
        return;
    };
    for profile in profiles {
        let section = after.get(*profile).expect("the section");
        for (key, value) in KEYS.iter().zip(VALUES) {
            assert_eq!(section.get(*key).map(String::as_str), Some(value));
        }
    }
    let Some(before) = before else { return };
    let others = |file: &Sections| -> Sections {
        let mut file = file.clone();
        for (name, section) in &mut file {
            if profiles.contains(&name.trim_matches([' ', '\t'])) {
                section.retain(|key, _| !KEYS.contains(&key.as_str()));
            }
        }
        file
    };
    let (before, mut after) = (others(before), others(after));
    for profile in profiles.iter().filter(|profile| !before.contains_key(**profile)) {
        // A new section has no values but the defaults of section DEFAULT.
        after.remove(*profile);
    }
    assert_eq!(before, after, "values of others");
}
