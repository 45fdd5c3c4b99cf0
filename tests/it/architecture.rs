//! The direction of dependencies, read from the `use crate::` lines: vocabulary ← sts ← stages ← sinks ← app ← commands.

use std::{collections::BTreeMap, fs, path::Path};

/// Each module with the ones that it may use, beside those of the rows it names.
const MAY_USE: &[(&str, &[&str])] = &[
    // vocabulary
    ("arn", &[]),
    ("bounded_file", &[]),
    ("clock", &[]),
    ("credentials", &["arn"]),
    ("shared_file", &[]),
    ("scrubber", &[]),
    ("http_client", &[]),
    ("tls", &[]),
    ("hardening", &[]),
    // token and STS
    ("token", &["arn", "bounded_file", "credentials"]),
    ("sts", &["arn", "clock", "credentials", "http_client", "scrubber", "token"]),
    // the stages
    ("provider", &["arn", "clock", "credentials", "refresh", "sts", "token"]),
    ("exchange", &["arn", "chain", "clock", "provider", "sts", "token"]),
    (
        "chain",
        &[
            "arn",
            "bounded_file",
            "clock",
            "credentials",
            "exchange",
            "http_client",
            "metrics",
            "provider",
            "refresh",
            "scrubber",
            "sts",
            "tls",
            "token",
        ],
    ),
    ("refresh", &["arn", "chain", "clock", "credentials", "provider", "store", "token"]),
    ("store", &["arn", "chain", "clock", "provider"]),
    // advice to people
    ("iam", &["arn", "chain", "token"]),
    ("diagnosis", &["arn", "chain", "iam", "provider", "sts", "token"]),
    // the sinks: never STS, never a stage
    ("server", &["clock"]),
    ("loopback", &[]),
    ("health", &["server", "store"]),
    ("status", &["clock", "store"]),
    ("metrics", &["store"]),
    ("admin", &["health", "metrics", "server", "sink", "store"]),
    (
        "sink",
        &[
            "arn",
            "bounded_file",
            "clock",
            "credentials",
            "health",
            "metrics",
            "server",
            "shared_file",
            "status",
            "store",
        ],
    ),
    // the process
    ("cli", &["command"]),
    ("config", &["arn", "chain", "cli", "command", "credentials", "exchange", "shared_file", "sts", "token"]),
    ("telemetry", &["cli", "config"]),
    ("shutdown", &[]),
    ("child", &["clock", "hardening"]),
    ("app", &["chain", "clock", "config", "metrics", "refresh", "store", "sts", "tls"]),
];

#[test]
fn dependencies_point_one_way() {
    let table: BTreeMap<_, _> = MAY_USE.iter().copied().collect();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut modules = Vec::new();
    for entry in fs::read_dir(&source).expect("src") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        // Commands and the crate root see everything.
        if ["command", "lib", "main"].contains(&name.as_str()) {
            continue;
        }
        let allowed = table.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not in the table"));
        for (file, used) in uses(&path) {
            let allowed = used == name || allowed.contains(&used.as_str());
            assert!(allowed, "{file}: {name} must not use {used}");
        }
        modules.push(name);
    }
    for (name, _) in MAY_USE {
        assert!(modules.iter().any(|module| module == name), "{name} is in the table but not in src");
    }
}

#[test]
fn only_one_module_reads_the_environment_or_the_clock() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    each_file(&source, &mut |path, text| {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for call in ["std::env::var", "SystemTime::now()", "Instant::now()", "tokio::time::sleep("] {
            if code.contains(call) {
                found.push(path.file_name().expect("a name").to_string_lossy().into_owned());
            }
        }
    });
    found.sort();
    found.dedup();
    assert_eq!(found, ["clock.rs", "env.rs"]);
}

/// The crate's modules that a file or folder uses, with the file.
fn uses(path: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    each_file(path, &mut |file, text| {
        for statement in text.split("use crate::").skip(1) {
            let statement = statement.split(';').next().unwrap_or_default();
            let names: Vec<&str> = match statement.strip_prefix('{') {
                None => vec![statement.split("::").next().unwrap_or_default()],
                Some(group) => top_level(group),
            };
            let file = file.display().to_string();
            found.extend(names.into_iter().map(|name| (file.clone(), name.trim().to_owned())));
        }
        let inline = text.split("crate::").skip(1).filter_map(|rest| rest.split("::").next());
        for name in inline.filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')) {
            found.push((file.display().to_string(), name.to_owned()));
        }
    });
    found
}

/// The first names of a `use` group's items.
fn top_level(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let mut items = vec![];
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(group[start..].trim_end().trim_end_matches('}'));
    items
        .into_iter()
        .map(|item| item.trim().split("::").next().unwrap_or_default())
        .filter(|name| !name.is_empty())
        .collect()
}

fn each_file(path: &Path, visit: &mut impl FnMut(&Path, &str)) {
    if path.is_dir() {
        for entry in fs::read_dir(path).expect("a folder") {
            each_file(&entry.expect("an entry").path(), visit);
        }
    } else if path.extension().is_some_and(|extension| extension == "rs") {
        visit(path, &fs::read_to_string(path).expect("read"));
    }
}
