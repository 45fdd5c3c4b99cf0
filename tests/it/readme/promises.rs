//! The promises of SECURITY.md: each names the tests that hold it, and those tests exist.

use std::fs;

use super::blocks::{marked, path, read, rows};

/// Names in backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether `module::function` is a test of `tests/it`, or a file below `tests` exists.
fn exists(name: &str) -> bool {
    if name.starts_with("tests/") {
        return path(name).exists();
    }
    let Some((module, function)) = name.rsplit_once("::") else { return false };
    if module == "cases" {
        return ["", ".toml"].iter().any(|suffix| path(&format!("tests/cases/{function}{suffix}")).exists());
    }
    let file = format!("tests/it/{}.rs", module.replace("::", "/"));
    path(&file).exists() && read(&file).contains(&format!("\nfn {function}("))
}

/// Tests of the same module, for whoever looks for one that was renamed.
fn neighbours(name: &str) -> String {
    let module = name.rsplit_once("::").map_or("", |(module, _)| module);
    let text = fs::read_to_string(path(&format!("tests/it/{}.rs", module.replace("::", "/")))).unwrap_or_default();
    let names = text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
    names.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_promise_names_tests_that_exist() {
    let promises = rows(&marked("SECURITY.md", "promises"));
    assert!(promises.len() >= 15, "{promises:?}");
    for row in &promises {
        let [promise, tests] = row.as_slice() else { panic!("SECURITY.md: {row:?}: a promise and its tests") };
        let tests = code(tests);
        assert!(!tests.is_empty(), "SECURITY.md: no test holds {promise:?}");
        for test in tests {
            assert!(exists(test), "SECURITY.md names {test}, which does not exist; there are: {}", neighbours(test));
        }
    }
}
