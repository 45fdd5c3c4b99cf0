//! Compares the excerpt of the quick start with its output.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::SystemTime,
};

use super::{
    blocks::{fenced, path},
    commands::lines_match,
};

/// Returns the time of the last change to this path or a file below it.
fn changed(path: &Path) -> SystemTime {
    let own = fs::metadata(path).and_then(|metadata| metadata.modified()).expect("a time");
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| changed(&entry.path())).fold(own, SystemTime::max)
}

#[test]
fn quick_start_excerpt_matches_its_output() {
    let blocks = fenced();
    let excerpt = blocks.iter().find(|block| block.text.starts_with("$ cargo run --example quickstart\n"));
    let expected: Vec<&str> = excerpt.expect("an excerpt").text.lines().skip(1).collect();
    // `cargo test` builds examples; `cargo test --test it` does not, so the example may be missing or outdated.
    let example = Path::new(env!("CARGO_BIN_EXE_credvend")).with_file_name("examples").join("quickstart");
    let sources = ["src", "examples", "tests/local-sts/src"].map(|directory| changed(&path(directory)));
    let is_current = example.exists() && sources.iter().all(|source| *source <= changed(&example));
    if !is_current {
        eprintln!("not compared: {} is not built from these sources", example.display());
        return;
    }
    let output = Command::new(example).arg("--once").stderr(Stdio::inherit()).output().expect("it starts");
    assert!(output.status.success(), "{output:?}");
    let output = String::from_utf8(output.stdout).expect("UTF-8");
    let printed: Vec<&str> = output.lines().map(str::trim_end).collect();
    assert!(
        lines_match(&expected, &printed),
        "README.md's excerpt differs from the output of the quick start:\n{output}"
    );
}
