//! Property tests on generated files. rust-ini serves as a second, independent parser.

use proptest::prelude::*;

use super::super::*;
use super::update;

const NAMES: [&str; 2] = ["default", "x"];
const VALUES: [&str; 3] = ["ASIANEW", "secret/NEW+1=", "token/NEW=="];

/// Lines that SDKs and rust-ini parse alike: no indented lines and no comments after a value.
fn plain_line() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "",
        "# a comment",
        "; another",
        "# credvend: these credentials expire at 2020-01-01T00:00:00Z",
        "[default]",
        "[x]",
        "[y]",
        "region = eu-west-1",
        "output=json",
        "aws_access_key_id = AKIAOLD",
        "aws_secret_access_key=old",
        "aws_session_token   = old",
        "aws_security_token = older",
    ])
}

fn any_line() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        4 => plain_line(),
        1 => prop::sample::select(vec![
            "  indented = line",
            "\taws_access_key_id = nested",
            "  # indented comment",
            " \t",
            "s3 =",
            "[ x ]  # ours",
            "[X]",
            "[profile x]",
            "[x",
            "AWS_ACCESS_KEY_ID = upper",
            "aws_session_token = old # note",
            "no equals sign",
            "= no name",
            "schl\u{fc}ssel = wert",
        ]),
    ]
}

fn file_of(line: impl Strategy<Value = &'static str>) -> impl Strategy<Value = String> {
    let ending = prop::sample::select(vec!["\n", "\r\n"]);
    (prop::collection::vec(line, 0..25), ending, any::<bool>(), any::<bool>()).prop_map(
        |(lines, ending, is_terminated, has_byte_order_mark)| {
            let mark = if has_byte_order_mark { "\u{feff}" } else { "" };
            let end = if is_terminated && !lines.is_empty() { ending } else { "" };
            format!("{mark}{}{end}", lines.join(ending))
        },
    )
}

fn updates() -> Vec<SectionUpdate<'static>> {
    NAMES.map(update).to_vec()
}

/// Returns the lines that credvend must preserve, determined by a simpler rule than the one under test.
fn foreign_lines(file: &str) -> Vec<&str> {
    let ours = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token"];
    file.trim_start_matches('\u{feff}')
        .lines()
        .filter(|line| {
            let lower = line.to_lowercase();
            !(line.is_empty()
                || line.starts_with([' ', '\t'])
                || line.starts_with("# credvend: ")
                || ours.iter().any(|key| lower.starts_with(key)))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_spliced_file_is_stable_and_keeps_foreign_lines(file in file_of(any_line())) {
        let once = splice(file.as_bytes(), &updates());
        prop_assert_eq!(&splice(&once, &updates()), &once);
        let after = String::from_utf8(once.to_vec()).expect("text stays text");
        let mut expected = foreign_lines(&file);
        for name in NAMES {
            let is_header = |line: &str| line.split('#').next().is_some_and(|header| header.trim_end() == format!("[{name}]"));
            if !expected.iter().any(|line| is_header(line)) {
                expected.push(if name == "x" { "[x]" } else { "[default]" });
            }
        }
        prop_assert_eq!(foreign_lines(&after), expected);
        prop_assert_eq!(after.starts_with('\u{feff}'), file.starts_with('\u{feff}'));
        prop_assert!(after.is_empty() || !file.contains("\r\n") || !after.replace("\r\n", "").contains('\n'));
    }

    #[test]
    fn credentials_are_read_back_and_other_properties_are_unchanged(file in file_of(any_line())) {
        let Ok(before) = read(FileKind::Credentials, file.as_bytes()) else { return Ok(()) };
        let spliced = splice(file.as_bytes(), &updates());
        let after = read(FileKind::Credentials, &spliced).expect("a readable file stays readable");
        for name in NAMES {
            let section = after.profiles.named(name).expect("the updated section");
            prop_assert!(section.written_by_us);
            prop_assert_eq!(CREDENTIAL_KEYS.map(|key| section.value(key)), VALUES.map(Some));
            prop_assert!(section.value("aws_security_token").is_none());
        }
        for section in before.profiles.iter() {
            let is_updated = NAMES.contains(&section.name.as_str());
            let section_after = after.profiles.named(&section.name).expect("the section");
            for key in section.properties.keys().filter(|key| !is_updated || !key.starts_with("aws_")) {
                prop_assert_eq!(section_after.value(key), section.value(key));
                prop_assert_eq!(section_after.nested(key), section.nested(key));
            }
            prop_assert!(is_updated || section_after.properties.keys().eq(section.properties.keys()));
        }
    }

    #[test]
    fn rust_ini_reads_the_same_credentials(file in file_of(plain_line())) {
        let spliced = splice(file.as_bytes(), &updates());
        let text = String::from_utf8(spliced.to_vec()).expect("text stays text");
        let ini = ini::Ini::load_from_str(text.trim_start_matches('\u{feff}')).expect("an INI file");
        for name in NAMES {
            // rust-ini does not merge sections with the same name: exactly one of them contains the credentials.
            let values_of = |key: &str| ini.section_all(Some(name)).flat_map(|section| section.get_all(key)).map(str::to_owned).collect::<Vec<_>>();
            for (key, value) in CREDENTIAL_KEYS.into_iter().zip(VALUES) {
                prop_assert_eq!(values_of(key), [value]);
            }
            prop_assert!(values_of("aws_security_token").is_empty());
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(prop::sample::select(b"[]x=# ;\t\r\n\xff\xef\xbb\xbfa_".to_vec()), 0..60)) {
        let once = splice(&bytes, &updates());
        prop_assert_eq!(&splice(&once, &updates()), &once);
        let _ = read(FileKind::Config, &bytes);
        let _ = read(FileKind::Credentials, &once);
    }
}
