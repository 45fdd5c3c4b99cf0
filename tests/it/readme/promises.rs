//! Checks that the tests named in the promises of SECURITY.md exist.

use std::fs;

use super::blocks::{marked, path, read, rows};

/// Returns the text in backticks.
fn code(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Returns true if `module::function` is a test in `tests/it`, or `cases::NAME` a file in `tests/cases`.
fn exists(name: &str) -> bool {
    let Some((module, function)) = name.rsplit_once("::") else { return false };
    if module == "cases" {
        return path(&format!("tests/cases/{function}.toml")).exists();
    }
    let file = format!("tests/it/{}.rs", module.replace("::", "/"));
    path(&file).exists() && read(&file).contains(&format!("\nfn {function}("))
}

/// Returns the tests of the same module, to help find a renamed test.
fn neighbours(name: &str) -> String {
    let module = name.rsplit_once("::").map_or("", |(module, _)| module);
    let text = fs::read_to_string(path(&format!("tests/it/{}.rs", module.replace("::", "/")))).unwrap_or_default();
    let names = text.split("#[test]\nfn ").skip(1).filter_map(|rest| rest.split('(').next());
    names.collect::<Vec<_>>().join(", ")
}

#[test]
fn every_promise_names_existing_tests() {
    let promises = rows(&marked("SECURITY.md", "promises"));
    assert!(promises.len() >= 15, "{promises:?}");
    for row in &promises {
        let [promise, tests] = row.as_slice() else { panic!("SECURITY.md: {row:?}: a promise and its tests") };
        let tests = code(tests);
        assert!(!tests.is_empty(), "SECURITY.md: no test holds {promise:?}");
        for test in tests {
            assert!(
                exists(test),
                "SECURITY.md names {test}, which does not exist; tests of this module: {}",
                neighbours(test)
            );
        }
    }
}
