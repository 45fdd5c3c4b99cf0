//! Generates the table of exit codes from `credvend --help`, and produces each of them once.

use std::collections::BTreeMap;

use super::{
    blocks::{assert_current, handwritten, table},
    help::printed,
};
use crate::support::{Credvend, ROLE_B, Stage};

/// Returns the exit codes at the end of `credvend --help` with their meanings.
fn listed() -> BTreeMap<u8, String> {
    let help = printed(&["--help"]);
    let (_, list) = help.rsplit_once("xit codes:").expect("the help lists exit codes at its end");
    let mut codes: BTreeMap<u8, Vec<&str>> = BTreeMap::new();
    let (mut current, mut ends_item) = (None, true);
    for line in list.lines() {
        // A number starts an item at the beginning of a line or after the end of the previous item.
        let mut begins = ends_item || line.starts_with("  ");
        for word in line.split_whitespace() {
            match word.trim_end_matches(':').parse() {
                Ok(code) if begins => {
                    codes.entry(code).or_default();
                    current = Some(code);
                }
                _ => current.map(|code| codes.entry(code).or_default().push(word)).unwrap_or_default(),
            }
            begins = word.ends_with([',', ';', '.']);
        }
        ends_item = begins;
    }
    let text = |words: Vec<&str>| words.join(" ").trim_end_matches([',', ';', '.']).to_owned();
    codes.into_iter().map(|(code, words)| (code, text(words))).collect()
}

#[test]
fn exit_codes_table_matches_the_help() {
    let actors = handwritten("exit codes");
    let rows = listed().into_iter().map(|(code, meaning)| {
        let actor = actors.get(&code.to_string()).cloned().unwrap_or_default();
        vec![code.to_string(), meaning, actor]
    });
    assert_current("exit codes", &table(&["code", "meaning", "who can fix it"], rows));
}

/// Returns a command that exits with this code.
fn ending_with(code: u8, stage: &Stage) -> Credvend {
    match code {
        0 => stage.credvend(&["export"]),
        1 => stage.bare(&["health", "--listen", "127.0.0.1:1"]),
        2 => stage.bare(&["export"]),
        3 => stage.credvend(&["export"]).env("AWS_WEB_IDENTITY_TOKEN_FILE", stage.path("absent")),
        4 => stage.credvend(&["export", "--role-arn", ROLE_B]),
        5 => stage.credvend(&["export", "--timeout", "1s"]).env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"),
        6 => stage.credvend(&["run", "--once", "--credentials-file", "/nowhere/credentials"]),
        other => panic!("add a command here that exits with the new code {other}"),
    }
}

#[test]
fn each_listed_exit_code_can_be_produced() {
    let codes = listed();
    assert!(codes.len() >= 7, "{codes:?}");
    for (code, meaning) in codes {
        let stage = Stage::new();
        let ended = ending_with(code, &stage).end();
        assert_eq!(ended.code, Some(code.into()), "{meaning}: {ended:?}");
    }
}
