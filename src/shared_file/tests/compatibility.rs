//! Which files are updated, and which are refused because a program would read something else than before.

use super::super::compatibility::check;
use super::super::configparser::ConfigParser;
use super::super::*;
use super::{text, update};

fn updated(file: &str) -> Result<String, Incompatible> {
    update_sections(file.as_bytes(), &[update("x")]).map(|bytes| text(&bytes))
}

/// Returns what botocore reads, as `section/option=value`.
fn botocore(file: &str) -> Option<Vec<String>> {
    let file = ConfigParser::read(file.as_bytes()).filter(ConfigParser::is_accepted_by_botocore)?;
    let shown = |(section, options): (&&str, &configparser::Options<'_>)| -> Vec<String> {
        options.iter().map(|(key, lines)| format!("{section}/{key}={}", lines.join("|"))).collect()
    };
    let defaults = shown((&"DEFAULT", &file.defaults));
    Some(file.sections.iter().flat_map(shown).chain(defaults).collect())
}

#[test]
fn botocore_reads_what_python_reads() {
    // The expected values are those of Python 3.11 and botocore 1.44.
    for (file, expected) in [
        ("[a]\nB : c\nd=e = f\n", &["a/b=c", "a/d=e = f"][..]),
        ("[a]\rb = c\r\nd = e\r", &["a/b=c", "a/d=e"]),
        ("[ a ] # [1]\nb = c # d\n", &[" a ] # [1/b=c # d"]),
        ("[a] b\nc = d\n", &["a/c=d"]),
        (" [a]\n  b = 1\n  c = 2\n   d\n e = 3\n", &["a/b=1", "a/c=2|d", "a/e=3"]),
        ("[a]\nb = 1\n\n# c\n  # d\n\u{a0}2\n\nc =\n\n", &["a/b=1||2", "a/c="]),
        ("[a]\nb =\n  c = d\n\n  e = f\n", &["a/b=|c = d||e = f"]),
        ("[DEFAULT]\na = b\n[DEFAULT]\nc = d\n[e]\n", &["DEFAULT/a=b", "DEFAULT/c=d"]),
        ("[a]\n\u{212a}ey = b\x0c\x1c\n", &["a/key=b"]),
        ("[a]]\nb = c\n", &["a]/b=c"]),
        ("", &[]),
    ] {
        assert_eq!(botocore(file).expect(file), expected, "{file:?}");
    }
    for file in [
        "a = b\n",
        "\u{feff}[a]\n",
        "[a]\n[a]\n",
        "[a]\nb = 1\nB = 2\n",
        "[DEFAULT]\nb = 1\n[DEFAULT]\nb = 2\n",
        "[a]\nb\n",
        "[a]\n= b\n",
        "[]\n",
        "[a]\n[]\n",
        "[a]\nb =\n  c\n",
        "[a]\nb =\n  c = d\x0be\n",
    ] {
        assert_eq!(botocore(file), None, "{file:?}");
    }
    assert_eq!(ConfigParser::read(b"# \xff\n"), None);
}

#[test]
fn a_file_that_one_kind_of_program_reads_is_updated_for_it() {
    // No Python program reads these, and other SDKs do.
    for file in ["[y]\na = 1\na = 2\n", "[y]\n[y]\n", "\u{feff}[y]\na = b\n", "[x]\n[x]\na = b\n"] {
        assert!(updated(file).expect(file).contains("aws_session_token = token/NEW=="));
    }
    // The other way round.
    for file in ["[y]\na : b\n", "[y]\n  a = b\n", "[y] z\n"] {
        let after = updated(file).expect(file);
        assert!(botocore(&after).expect("readable").contains(&"x/aws_session_token=token/NEW==".to_owned()));
    }
    // Repeated keys are credvend's own, so the update makes the file readable.
    assert!(botocore(&updated("[x]\naws_session_token = 1\naws_session_token = 2\n").expect("updated")).is_some());
}

#[test]
fn a_file_that_no_program_reads_is_refused() {
    for (file, line) in [("[y]\nno separator\n", 2), ("a = b\n", 1), ("[y]\n\n= b\n", 3), ("[x]\ns3 =\n  a\n", 3)] {
        let error = updated(file).expect_err(file);
        assert!(matches!(&error, Incompatible::Unreadable(syntax) if syntax.line == line), "{error}");
        assert!(error.to_string().starts_with(&format!("line {line}: ")), "{error}");
    }
    assert_eq!(update_sections(b"no separator", &[]), Ok(b"no separator".to_vec().into()), "nothing to write");
}

#[test]
fn removing_credentials_keeps_everything_else() {
    let before = "[a]\nb = c\n\n# credvend: x\n[x]\naws_session_token = old\n";
    let removed = |after: &str| check(before.as_bytes(), after.as_bytes(), &[], &["x"]);
    assert_eq!(removed("[a]\nb = c\n\n[x]\n"), Ok(()));
    assert_eq!(removed("[a]\nb = c\n"), Ok(()));
    assert!(removed("[a]\nb = d\n").is_err() && removed("[x]\n").is_err() && removed("").is_err());
    assert!(check(before.as_bytes(), b"[a]\nb = c\n", &[], &[]).is_err(), "not a removal");
}

#[test]
fn a_file_is_refused_if_a_program_would_read_something_else() {
    for file in [
        // A second section `x` to botocore.
        "[x] junk\na = b\n",
        " [x]\na = b\n",
        "[x]\ra = b\r",
        "# old Mac\r[x]\na = b\n",
        // A repeated option to botocore.
        "[x]\n  aws_session_token = old\n",
        "[x]\naws_access_\u{212a}ey_id = old\n",
        // A repeated section to Python, although botocore does not accept the nested block.
        "[y]\ra =\r[x]\rb =\n c",
        // A default that botocore does not accept in the first section.
        "[DEFAULT]\na =\n b\n",
        // The old token has precedence.
        "[DEFAULT]\naws_security_token = old\n[x]\n",
        // A comment that contains a header.
        "# credvend: old\r[y]\n[x]\na = b\n",
        // Another section `x] # [1` to botocore.
        "[x] # [1]\naws_session_token = old\n",
    ] {
        let error = updated(file).expect_err(file);
        assert_eq!(error, Incompatible::Changed { reader: "the AWS CLI and boto3" }, "{file:?}");
    }
}
