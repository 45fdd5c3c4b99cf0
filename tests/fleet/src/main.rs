//! Simulates fleets of pods on virtual time: credvend's own code, and models of other clients. Prints the results as Markdown, draws the
//! plots, and fails if a goal is missed.

mod clients;
mod plot;
mod presentation;
mod results;
mod scenario;

use std::{path::Path, process::ExitCode};

use credvend::simulation::Simulation;

use crate::{
    plot::THEMES,
    results::Results,
    scenario::{Scale, World},
};

/// The start and the end of the generated part of CONTRIBUTING.md.
const MARKS: [&str; 2] = ["<!-- fleet: begin -->\n", "<!-- fleet: end -->\n"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (scale, is_update) = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => (Scale::FULL, false),
        ["--update"] => (Scale::FULL, true),
        ["--small"] => (Scale::SMALL, false),
        _ => {
            eprintln!("fleet: usage: run [--small | --update]");
            return ExitCode::from(2);
        }
    };
    let directory = tempfile::tempdir().expect("a directory");
    let world = World { scale, token_file: directory.path().join("token") };
    std::fs::write(&world.token_file, Simulation::token()).expect("the token file is written");

    let results = Results::of_all_scenarios(&world);
    let tables = results.tables();
    println!("{tables}");
    if is_update {
        update(&tables, &results);
    }
    let missed = results.missed_goals();
    for goal in &missed {
        eprintln!("fleet: missed: {goal}");
    }
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Draws the plots, and writes the tables and the plots into CONTRIBUTING.md.
fn update(tables: &str, results: &Results<'_>) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pictures = String::new();
    for (name, plot) in results.plots() {
        for theme in &THEMES {
            let file = here.join(format!("{name}-{}.svg", theme.name));
            std::fs::write(file, plot.svg(theme)).expect("the plot is written");
        }
        pictures += &format!(
            "\n<picture>\n  <source media=\"(prefers-color-scheme: dark)\" srcset=\"tests/fleet/{name}-dark.svg\">\n  \
             <img src=\"tests/fleet/{name}-light.svg\" width=\"800\" alt=\"{}\">\n</picture>\n",
            plot.title
        );
    }
    let path = here.join("../../CONTRIBUTING.md");
    let text = std::fs::read_to_string(&path).expect("CONTRIBUTING.md");
    let (before, rest) = text.split_once(MARKS[0]).expect("the start of the tables");
    let (_, after) = rest.split_once(MARKS[1]).expect("the end of the tables");
    let updated = format!("{before}{}\n{tables}{pictures}\n{}{after}", MARKS[0], MARKS[1]);
    std::fs::write(&path, updated).expect("CONTRIBUTING.md is written");
}
