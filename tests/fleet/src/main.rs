//! Simulates fleets of pods on virtual time: credvend's own code, and models of other clients. Prints the results as Markdown, draws the
//! plots, and fails if a goal is missed.

mod clients;
mod plot;
mod results;
mod scenario;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use credvend::simulation::Simulation;

use crate::results::Results;

/// The start and the end of the generated part of CONTRIBUTING.md.
const MARKS: [&str; 2] = ["<!-- fleet: begin -->\n", "<!-- fleet: end -->\n"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = arguments.iter().find(|argument| !["--small", "--update"].contains(&argument.as_str())) {
        eprintln!("fleet: unknown argument {unknown}");
        return ExitCode::from(2);
    }
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let directory = tempfile::tempdir().expect("a directory");
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, Simulation::token()).expect("the token file is written");

    let results = Results::of_all_scenarios(&token_file, has("--small"));
    let tables = results.tables();
    println!("{tables}");
    if has("--update") {
        update(&tables, &results);
    }
    let missed = results.missed_goals();
    for goal in &missed {
        eprintln!("fleet: missed: {goal}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Draws the plots, and writes the tables and the plots into CONTRIBUTING.md.
fn update(tables: &str, results: &Results) {
    let root: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pictures = String::new();
    for (name, plot) in results.plots() {
        std::fs::write(root.join("tests/fleet").join(name), plot.svg()).expect("the plot is written");
        pictures += &format!("\n![{}](tests/fleet/{name})\n", plot.title);
    }
    let path = root.join("CONTRIBUTING.md");
    let text = std::fs::read_to_string(&path).expect("CONTRIBUTING.md");
    let (before, rest) = text.split_once(MARKS[0]).expect("the start of the tables");
    let (_, after) = rest.split_once(MARKS[1]).expect("the end of the tables");
    let updated = format!("{before}{}\n{tables}{pictures}\n{}{after}", MARKS[0], MARKS[1]);
    std::fs::write(&path, updated).expect("CONTRIBUTING.md is written");
}
