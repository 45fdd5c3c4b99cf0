//! Exit codes: those that `credvend --help` lists, each produced once.

use std::collections::BTreeMap;

use super::{
    blocks::{assert_current, handwritten, table},
    help::printed,
};
use crate::support::{Credvend, ROLE_B, Stage};

/// The codes at the end of `credvend --help`, with their meanings.
fn listed() -> BTreeMap<u8, String> {
    let help = printed(&["--help"]);
    let (_, list) = help.rsplit_once("xit codes:").expect("the help lists exit codes at its end");
    let mut codes: BTreeMap<u8, Vec<&str>> = BTreeMap::new();
    let (mut current, mut ends_item) = (None, true);
    for line in list.lines() {
        // A number begins an item where a line begins or the item before has ended.
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
fn exit_codes_are_those_of_the_help() {
    let actors = handwritten("exit codes");
    let rows = listed().into_iter().map(|(code, meaning)| {
        let actor = actors.get(&code.to_string()).cloned().unwrap_or_default();
        vec![code.to_string(), meaning, actor]
    });
    assert_current("exit codes", &table(&["code", "meaning", "who can fix it"], rows));
}

/// A command that ends with this code.
fn ending_with(code: u8, stage: &Stage) -> Credvend {
    match code {
        0 => stage.credvend(&["export"]),
        1 => stage.bare(&["health", "--listen", "127.0.0.1:1"]),
        2 => stage.bare(&["export"]),
        3 => stage.credvend(&["export"]).env("AWS_WEB_IDENTITY_TOKEN_FILE", stage.path("absent")),
        4 => stage.credvend(&["export", "--role-arn", ROLE_B]),
        5 => stage.credvend(&["export", "--timeout", "1s"]).env("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1"),
        6 => stage.credvend(&["run", "--once", "--credentials-file", "/nowhere/credentials"]),
        other => panic!("show here how the new exit code {other} comes about"),
    }
}

#[test]
fn each_listed_exit_code_occurs() {
    let codes = listed();
    assert!(codes.len() >= 7, "{codes:?}");
    for (code, meaning) in codes {
        let stage = Stage::new();
        let ended = ending_with(code, &stage).end();
        assert_eq!(ended.code, Some(code.into()), "{meaning}: {ended:?}");
    }
}
