//! One test for each rule of `splice`. `COMMENT`, `ID`, `SECRET` and `TOKEN` stand for the lines that credvend writes.

use super::super::*;
use super::{text, update};

const SECTION: &str = "COMMENT\n[x]\nID\nSECRET\nTOKEN\n";

fn expand(pattern: &str) -> String {
    pattern
        .replace("COMMENT", "# credvend: these credentials expire at 2026-11-21T10:00:00Z")
        .replace("ID", "aws_access_key_id = ASIANEW")
        .replace("SECRET", "aws_secret_access_key = secret/NEW+1=")
        .replace("TOKEN", "aws_session_token = token/NEW==")
}

/// Applies an update of profile `x` twice: the second time must change nothing.
fn check(before: &str, after: &str) {
    let once = splice(before.as_bytes(), &[update("x")]);
    assert_eq!(text(&once), expand(after), "from {before:?}");
    assert_eq!(text(&splice(&once, &[update("x")])), expand(after), "again, from {before:?}");
}

#[test]
fn a_missing_section_is_appended() {
    check("", SECTION);
    check("\u{feff}", &format!("\u{feff}{SECTION}"));
    check("[y]\na = b\n", &format!("[y]\na = b\n\n{SECTION}"));
    check("[y]\na = b", &format!("[y]\na = b\n\n{SECTION}"));
    check("[y]\na = b\n\n", &format!("[y]\na = b\n\n{SECTION}"));
    check("[y]\na = b\n \t\n", &format!("[y]\na = b\n \t\n{SECTION}"));
    check("[y]\r\na = b\n", &format!("[y]\r\na = b\n\r\n{}", SECTION.replace('\n', "\r\n")));
    check("[y]\r\na = b\r", &format!("[y]\r\na = b\r\n\r\n{}", SECTION.replace('\n', "\r\n")));
}

#[test]
fn headers_are_recognized_as_sdks_recognize_them() {
    for header in ["[x]", "[x]# touching", "[x] ; apart", "[x]  "] {
        check(&format!("{header}\n"), &format!("COMMENT\n{header}\nID\nSECRET\nTOKEN\n"));
    }
    // To botocore, this is a section of another name: it must not be the only one with the credentials, nor hold older ones.
    for header in ["[ x ]", "[\tx]# touching", "[x ]", "[x] # see [1]"] {
        let old = "aws_session_token = old\na = b\n";
        check(&format!("{header}\n{old}"), &format!("{header}\na = b\n\n{SECTION}"));
        check(&format!("{header}\n{old}[x]\n"), &format!("{header}\na = b\n{SECTION}"));
    }
    for other in ["[X]", "[profile x]", "[x", "[x] y", "#[x]", " [x]", "[xx]"] {
        check(&format!("{other}\n"), &format!("{other}\n\n{SECTION}"));
    }
    check("[x]", SECTION);
    check("\u{feff}[x]\n", &format!("\u{feff}{SECTION}"));
}

#[test]
fn a_credvend_comment_directly_above_the_header_is_replaced() {
    check("# credvend: old\n[x]\n", SECTION);
    check("[y]\n# credvend: old\r\n[x]\n", &format!("[y]\n{}", SECTION.replace("COMMENT\n", "COMMENT\r\n")));
    check("\u{feff}# credvend: old\n[x]\n", &format!("\u{feff}{SECTION}"));
    check("# mine\n[x]\n", &format!("# mine\n{SECTION}"));
    check("# credvend: old\n\n[x]\n", &format!("# credvend: old\n\n{SECTION}"));
    check("# credvend: older\n# credvend: old\n[x]\n", &format!("# credvend: older\n{SECTION}"));
    check("[y]\na =\n  b = c\n[x]\n", &format!("[y]\na =\n  b = c\n{SECTION}"));
}

#[test]
fn existing_credential_lines_are_replaced_in_place() {
    check(
        "[x]\nregion = r\nAWS_Session_Token=old # note\n# c\naws_access_key_id \t=  old\noutput = o\naws_secret_access_key = old",
        "COMMENT\n[x]\nregion = r\nTOKEN\n# c\nID\noutput = o\nSECRET",
    );
    check("[x]\r\naws_access_key_id = old\na = b\n", "COMMENT\r\n[x]\r\nID\nSECRET\r\nTOKEN\r\na = b\n");
    check("[x]\naws_access_key_id : old\n", SECTION);
    check("[x]\naws_access_key_id_2 = theirs\n", "COMMENT\n[x]\nID\nSECRET\nTOKEN\naws_access_key_id_2 = theirs\n");
}

#[test]
fn missing_lines_follow_the_last_credential_line_or_the_header() {
    check("[x]\na = b\n\n[y]\n", "COMMENT\n[x]\nID\nSECRET\nTOKEN\na = b\n\n[y]\n");
    check("[x]\na = b\naws_secret_access_key = old\nc = d\n", "COMMENT\n[x]\na = b\nSECRET\nID\nTOKEN\nc = d\n");
    check("[x]\naws_session_token = old", "COMMENT\n[x]\nTOKEN\nID\nSECRET\n");
}

#[test]
fn duplicates_and_the_legacy_token_are_removed() {
    check("[x]\naws_access_key_id = 1\na = b\nAWS_ACCESS_KEY_ID = 2\n", "COMMENT\n[x]\nID\nSECRET\nTOKEN\na = b\n");
    check("[x]\naws_security_token = 1\n  more\na = b\n", "COMMENT\n[x]\nID\nSECRET\nTOKEN\na = b\n");
    check(
        "[x]\na = 1\n# credvend: older\n# credvend: old\n[x]\naws_session_token = 2\n  more\nb = 3\n[y]\naws_session_token = 4\n",
        "COMMENT\n[x]\nID\nSECRET\nTOKEN\na = 1\n[x]\nb = 3\n[y]\naws_session_token = 4\n",
    );
}

#[test]
fn indented_lines_are_kept_unless_they_continue_a_credential_line() {
    check(
        "[x]\ns3 =\n  aws_access_key_id = theirs\n",
        "COMMENT\n[x]\nID\nSECRET\nTOKEN\ns3 =\n  aws_access_key_id = theirs\n",
    );
    check(
        "[x]\naws_access_key_id = 1\n  2\n\n# kept\n\t3\na = b\n  c\n",
        "COMMENT\n[x]\nID\nSECRET\nTOKEN\n\n# kept\na = b\n  c\n",
    );
    check("[x]\na =\naws_security_token = 1\n  b = 2\n", "COMMENT\n[x]\nID\nSECRET\nTOKEN\na =\n");
}

#[test]
fn indented_lines_below_a_header_do_not_continue_a_credential_line() {
    check(
        "[x]\n# c\n  a = b\n\n  c = d\n\ne = f\n",
        "COMMENT\n[x]\n# c\n  a = b\n\n  c = d\nID\nSECRET\nTOKEN\n\ne = f\n",
    );
    check("[x]\n  a = b", "COMMENT\n[x]\n  a = b\nID\nSECRET\nTOKEN\n");
    check("[x]\n  a = b\naws_session_token = old\n", "COMMENT\n[x]\n  a = b\nTOKEN\nID\nSECRET\n");
}

#[test]
fn invalid_lines_are_kept() {
    let invalid = b"\xff\xfe = \x00\n  stray\n[\xff]\n]\nno equals\n[x\n\r\n= \n".to_vec();
    let spliced = splice(&invalid, &[update("x")]);
    assert!(spliced.starts_with(&invalid));
    assert_eq!(text(&spliced[invalid.len()..]), format!("\n{}", expand(SECTION)));
}

#[test]
fn several_profiles_are_updated_and_the_last_update_of_a_profile_wins() {
    let old = SectionUpdate::new("x", "old", "old", "old", "old").expect("valid");
    let spliced = splice(b"[b]\n[a]\n", &[update("c"), update("a"), old, update("x"), update("b")]);
    let file = read(FileKind::Credentials, &spliced).expect("readable");
    let names: Vec<_> = file.profiles.iter().map(|section| section.name.as_str()).collect();
    assert_eq!(names, ["b", "a", "c", "x"]);
    for section in file.profiles.iter() {
        assert!(section.written_by_us);
        assert_eq!(section.value("aws_access_key_id"), Some("ASIANEW"));
    }
    assert_eq!(splice(b"[b]\nc", &[]).as_slice(), b"[b]\nc");
}

#[test]
fn invalid_names_and_values_are_refused_and_not_shown() {
    for name in ["", "a b", "a]", "ä", "a\n", "#a", "a=b"] {
        let error = check_profile_name(name).expect_err(name);
        assert!(!error.to_string().contains('\n'));
        assert_eq!(SectionUpdate::new(name, "a", "b", "c", "d").expect_err(name), error);
    }
    check_profile_name("aA0_-/.%@:+").expect("a valid name");
    // `DEFAULT` can be read but not written: Python's parser applies its keys to every section.
    check_profile_name("DEFAULT").expect("a valid name");
    assert_eq!(check_section_name("DEFAULT"), Err(UpdateError::DefaultSection));
    assert!(SectionUpdate::new("DEFAULT", "AKIA", "secret", "token", "expiry").is_err());
    for name in ["default", "Default", "DEFAULT-2"] {
        check_section_name(name).expect(name);
    }
    for value in [
        "",
        "se cret\n",
        "secret\r",
        "sec\0ret",
        " secret",
        "secret\t",
        "secret\u{a0}",
        "sec #ret",
        "sec#ret",
        "sec;ret",
        "\"secret\"",
    ] {
        let error = SectionUpdate::new("x", "id", value, "token", "never").expect_err(value);
        assert!(matches!(error, UpdateError::Value { key: "aws_secret_access_key", .. }));
        assert!(value.is_empty() || !format!("{error} {error:?}").contains(value));
    }
    assert!(!format!("{:?}", update("x")).contains("NEW"));
}

#[test]
fn a_long_file_takes_linear_time() {
    let mut long = "[y]\n# c\na = b\n  d\n[x]\naws_access_key_id = 1\n".repeat(40_000);
    long.push_str(&"aws_session_token = 1\n".repeat(40_000));
    let spliced = splice(long.as_bytes(), &[update("x")]);
    assert_eq!(
        spliced.len(),
        long.len() + expand("COMMENT\nID\nSECRET\nTOKEN\n").len()
            - "aws_access_key_id = 1\n".len() * 40_000
            - "aws_session_token = 1\n".len() * 40_000
    );
}

/// A buffer that grows leaves a copy of its content in freed memory.
#[test]
fn the_output_never_grows() {
    let names: Vec<String> = (0..20).map(|number| format!("profile-{number}")).collect();
    let token = "t".repeat(5000);
    let update = |name| SectionUpdate::new(name, "ASIA", "secret", &token, "2026-11-21T10:00:00Z").expect("valid");
    let updates: Vec<_> = names.iter().map(|name| update(name)).collect();
    for existing in ["", "[profile-3]\r\naws_session_token = old\r\n[profile-7]\r\n[other]\r\na = b"] {
        let room = existing.len() + updates.iter().map(SectionUpdate::max_length).sum::<usize>();
        assert_eq!(splice(existing.as_bytes(), &updates).capacity(), room);
    }
}

#[test]
fn a_cleared_section_loses_our_lines_and_is_removed_only_if_we_created_it() {
    let cleared = |before: &str, is_created: bool| {
        let before = expand(&before.replace("SECTION", SECTION));
        text(&clear(before.as_bytes(), &[ClearedSection { name: "x", is_created }]))
    };
    for (before, kept, removed) in [
        ("SECTION", "[x]\n", ""),
        ("[y]\na = b\n\nSECTION", "[y]\na = b\n\n[x]\n", "[y]\na = b\n\n"),
        ("SECTION\n[y]\na = b\n", "[x]\n\n[y]\na = b\n", "\n[y]\na = b\n"),
        ("SECTIONregion = r\n", "[x]\nregion = r\n", "[x]\nregion = r\n"),
        ("SECTION# of y\n[y]\n", "[x]\n# of y\n[y]\n", "# of y\n[y]\n"),
        ("SECTION# credvend: of y\n[y]\n", "[x]\n# credvend: of y\n[y]\n", "# credvend: of y\n[y]\n"),
        ("[y]\n", "[y]\n", "[y]\n"),
        ("", "", ""),
    ] {
        assert_eq!((cleared(before, false), cleared(before, true)), (kept.into(), removed.into()), "from {before:?}");
    }
    // To botocore, this is a section of another name, which credvend did not create.
    assert_eq!(cleared("[ x ]\nTOKEN\nSECTION", true), "[ x ]\n");
    assert!(has_section(b"[y]\n[x] # comment\n", "x") && !has_section(b"x = [x]\n#[x]\n[ x ]\n", "x"));
}
