//! One test for each rule of the file format.

use super::super::{
    syntax_error::{Problem, SyntaxError},
    *,
};

fn config(text: &str) -> SharedFile {
    read(FileKind::Config, text.as_bytes()).expect("a readable config file")
}

fn credentials(text: &str) -> SharedFile {
    read(FileKind::Credentials, text.as_bytes()).expect("a readable credentials file")
}

fn value<'a>(file: &'a SharedFile, profile: &str, key: &str) -> Option<&'a str> {
    file.profiles.named(profile)?.value(key)
}

fn names(file: &SharedFile) -> Vec<&str> {
    file.profiles.iter().map(|section| section.name.as_str()).collect()
}

fn warned_lines(file: &SharedFile) -> Vec<usize> {
    file.warnings.iter().map(|warning| warning.line).collect()
}

#[test]
fn values_end_where_sdks_end_them() {
    for (line, expected) in [
        ("region = us-east-1", "us-east-1"),
        ("region=us-east-1", "us-east-1"),
        ("region \t=\t us-east-1 \t", "us-east-1"),
        ("REGION = us-east-1", "us-east-1"),
        ("region = us-east-1 # home", "us-east-1"),
        ("region = us-east-1\t; home", "us-east-1"),
        ("region = us-east-1#home", "us-east-1#home"),
        ("region = us-east-1;home", "us-east-1;home"),
        ("region = a=b", "a=b"),
        ("region = \"quoted\"", "\"quoted\""),
        ("region = a:b", "a:b"),
        ("region =", ""),
        ("region = # nothing", ""),
    ] {
        let file = config(&format!("[default]\n{line}\n"));
        assert_eq!(value(&file, "default", "region"), Some(expected), "{line}");
        assert!(file.warnings.is_empty(), "{line}");
    }
}

#[test]
fn headers_follow_the_rules_of_their_file() {
    for (kind, header, name) in [
        (FileKind::Config, "[profile foo]", Some("foo")),
        (FileKind::Config, "[ profile \t foo ]", Some("foo")),
        (FileKind::Config, "[profile\tfoo]# touching", Some("foo")),
        (FileKind::Config, "[profile foo] ; apart", Some("foo")),
        (FileKind::Config, "[profile a-Z_0/.%@:+]", Some("a-Z_0/.%@:+")),
        (FileKind::Config, "[default]", Some("default")),
        (FileKind::Config, "[profile default]", Some("default")),
        (FileKind::Config, "[foo]", None),
        (FileKind::Config, "[profile]", None),
        (FileKind::Config, "[profile in valid]", None),
        (FileKind::Config, "[profile \"foo\"]", None),
        (FileKind::Config, "[Profile foo]", None),
        (FileKind::Config, "[plugins foo]", None),
        (FileKind::Config, "[]", None),
        (FileKind::Credentials, "[foo]", Some("foo")),
        (FileKind::Credentials, "[ foo ] # mine", Some("foo")),
        (FileKind::Credentials, "[profile]", Some("profile")),
        (FileKind::Credentials, "[default]", Some("default")),
        (FileKind::Credentials, "[profile foo]", None),
        (FileKind::Credentials, "[profile default]", None),
        (FileKind::Credentials, "[services foo]", None),
        (FileKind::Credentials, "[sso-session foo]", None),
    ] {
        let file = read(kind, format!("{header}\na = b\n").as_bytes()).expect("a readable file");
        assert_eq!(names(&file), Vec::from_iter(name), "{kind}: {header}");
        assert_eq!(warned_lines(&file), if name.is_some() { vec![] } else { vec![1] }, "{kind}: {header}");
    }
}

#[test]
fn services_and_sso_sessions_are_not_profiles() {
    let file = config(
        "[sso-session s]\nsso_region = x\n[services s]\nsts =\n  endpoint_url = http://localhost # here\n  Other=1\n",
    );
    assert!(file.profiles.sections.is_empty());
    assert!(file.warnings.is_empty());
    let nested = file.services.named("s").and_then(|section| section.nested("sts")).expect("nested properties");
    assert_eq!(nested.get("endpoint_url").map(String::as_str), Some("http://localhost"));
    assert_eq!(nested.get("other").map(String::as_str), Some("1"));
}

#[test]
fn the_prefixed_default_replaces_the_plain_one_in_either_order() {
    for (text, line) in [
        ("[default]\na = plain\nb = plain\n[profile default]\na = prefixed\n", 1),
        ("[profile default]\na = prefixed\n[default]\na = plain\nb = plain\n", 3),
    ] {
        let file = config(text);
        assert_eq!(value(&file, "default", "a"), Some("prefixed"));
        assert_eq!(value(&file, "default", "b"), None);
        assert_eq!(warned_lines(&file), [line]);
    }
    let twice = config("[default]\na = 1\n[profile default]\na = 2\n[profile default]\nb = 3\n");
    assert_eq!(value(&twice, "default", "a"), Some("2"));
    assert_eq!(value(&twice, "default", "b"), Some("3"));
}

#[test]
fn sections_merge_and_the_last_property_wins() {
    let file = config("[profile b]\nx = 1\nx = 2\n[profile a]\n[profile b]\nX = 3\ny = 4\n");
    assert_eq!(names(&file), ["b", "a"]);
    let section = file.profiles.named("b").expect("the section");
    assert_eq!((section.line, section.value("x"), section.line_of("x")), (1, Some("3"), Some(6)));
    assert_eq!(section.properties.keys().collect::<Vec<_>>(), ["x", "y"]);
    assert!(file.profiles.named("B").is_none());
}

#[test]
fn indented_lines_continue_a_value_or_nest_under_an_empty_one() {
    let file = config(
        "[default]\na = one\n two # kept\n\n# between\n\t; three\ns3 =\n  max = 1 # cut\n  in valid = 2\n  empty =\nb = 3\n",
    );
    assert_eq!(value(&file, "default", "a"), Some("one\ntwo # kept\n; three"));
    let section = file.profiles.named("default").expect("the section");
    let nested: Vec<_> =
        section.nested("s3").expect("nested").iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(nested, [("empty", ""), ("in valid", "2"), ("max", "1")]);
    assert_eq!((section.value("s3"), section.value("b"), section.nested("b")), (Some(""), Some("3"), None));
    assert_eq!(section.value("max"), None);
}

#[test]
fn blank_lines_comments_crlf_and_a_byte_order_mark_are_ignored() {
    let file = config("\u{feff}# first\r\n; second\r\n \t \r\n[default]\r\nregion = x\r\n\r\noutput = y\r");
    assert_eq!(value(&file, "default", "region"), Some("x"));
    assert_eq!(value(&file, "default", "output"), Some("y"));
    assert_eq!(file.profiles.named("default").map(|section| section.line), Some(4));
    assert!(config("").profiles.sections.is_empty());
    assert!(config("\u{feff}").profiles.sections.is_empty());
}

#[test]
fn an_invalid_line_is_an_error() {
    for (text, line, problem) in [
        ("a = b\n", 1, Problem::OutsideSection),
        ("# x\n\n  a = b\n", 3, Problem::NothingToContinue),
        ("[default]\n  a = b\n", 2, Problem::NothingToContinue),
        ("[default]\na = b\n[profile b]\n c\n", 4, Problem::NothingToContinue),
        ("[default\n", 1, Problem::UnclosedHeader),
        ("[default # ]\n", 1, Problem::UnclosedHeader),
        ("[default] x\n", 1, Problem::UnclosedHeader),
        ("[default]\na\n", 2, Problem::MissingEquals),
        ("[default]\na # = b\n", 2, Problem::MissingEquals),
        ("[default]\n= b\n", 2, Problem::EmptyName),
        ("[default]\ns3 =\n  a\n", 3, Problem::MissingEquals),
        ("[default]\ns3 =\n  = a\n", 3, Problem::EmptyName),
        ("[ignored]\na\n", 2, Problem::MissingEquals),
        ("[ignored]\n  a = b\n", 2, Problem::NothingToContinue),
        ("[ignored]\ns3 =\n  a\n", 3, Problem::MissingEquals),
    ] {
        let error = read(FileKind::Config, text.as_bytes()).expect_err(text);
        assert_eq!(error, SyntaxError { line, problem }, "{text}");
    }
}

#[test]
fn an_indented_comment_without_a_value_to_continue_is_skipped() {
    let file = config("[default]\n  # about a\na = b\ns3 =\n  ; about c\n  c = d\n");
    assert_eq!(warned_lines(&file), [2, 5]);
    let nested = file.profiles.named("default").and_then(|section| section.nested("s3")).expect("nested");
    assert_eq!(nested.len(), 1);
}

#[test]
fn a_property_with_an_invalid_name_is_skipped_with_its_continuation_lines() {
    let file = config("[default]\nin valid = 1\n  continued\na = 2\n[ignored]\nalso in valid = 3\n");
    assert_eq!(
        file.profiles.named("default").map(|section| section.properties.keys().collect::<Vec<_>>()),
        Some(vec![&"a".to_owned()])
    );
    assert_eq!(warned_lines(&file), [2, 5]);
}

#[test]
fn invalid_utf8_is_an_error_only_in_values() {
    let file = read(FileKind::Config, b"# \xff\n[profile \xff]\na = \xff\n[default]\n\xff = 1\na = 2 # \xff\n")
        .expect("readable");
    assert_eq!((names(&file), value(&file, "default", "a")), (vec!["default"], Some("2")));
    assert_eq!(warned_lines(&file), [2, 5]);
    let error = read(FileKind::Config, b"[default]\na = \xff\n").expect_err("not a value");
    assert_eq!(error, SyntaxError { line: 2, problem: Problem::NotUtf8 });
}

#[test]
fn errors_warnings_and_debug_output_show_no_values() {
    let secret = "wJalrXUtnFEMI";
    let file = credentials(&format!(
        "[default]\naws_secret_access_key = {secret}\naws_secret_access_key {secret}==\n{secret}= x\n"
    ));
    let shown = format!("{file:?} {}", file.warnings[0]);
    assert!(!shown.contains(secret), "{shown}");
    for text in [format!("[default]\n{secret}\n"), format!("[{secret}\n"), format!("{secret} = a\n")] {
        let error = read(FileKind::Credentials, text.as_bytes()).expect_err("a syntax error");
        assert!(!format!("{error} {error:?}").contains(secret));
        assert!(!error.to_string().contains('\n'));
    }
    let long = config(&format!("[{}\u{1b}]\n", "x".repeat(100)));
    assert!(!long.warnings[0].text.contains(['\u{1b}', '\n']) && long.warnings[0].text.len() < 180);
}

#[test]
fn a_credvend_comment_marks_only_the_section_directly_below() {
    let file = credentials(
        "# credvend: these credentials expire at 2026-11-21T10:00:00Z\n[ours]\na = 1\n# credvend: x\n\n[apart]\n# other\n[theirs]\n[later]\n# credvend: x\n[later]\n",
    );
    let marked: Vec<_> =
        file.profiles.iter().filter(|section| section.written_by_us).map(|section| &section.name).collect();
    assert_eq!(marked, ["ours", "later"]);
}

#[test]
fn merging_prefers_the_credentials_file_except_for_credentials_that_credvend_wrote() {
    let config = config("[profile b]\nregion = config\naws_access_key_id = config\n[services s]\n[stray]\n");
    let credentials = credentials(
        "[a]\naws_access_key_id = a\n# credvend: x\n[b]\naws_access_key_id = ours\naws_session_token = ours\nregion = credentials\n[profile c]\n",
    );
    let merged = merge(config, credentials);
    assert_eq!(names(&merged), ["b", "a"]);
    let section = merged.profiles.named("b").expect("b");
    assert!(section.written_by_us && section.file == FileKind::Config && section.line == 1);
    assert_eq!(
        (section.value("region"), section.file_of("region")),
        (Some("credentials"), Some(FileKind::Credentials))
    );
    assert_eq!((section.value("aws_access_key_id"), section.value("aws_session_token")), (Some("config"), None));
    assert_eq!(value(&merged, "a", "aws_access_key_id"), Some("a"));
    assert!(merged.services.named("s").is_some());
    assert_eq!(
        merged.warnings.iter().map(|warning| (warning.file, warning.line)).collect::<Vec<_>>(),
        [(FileKind::Config, 5), (FileKind::Credentials, 8)]
    );
}
