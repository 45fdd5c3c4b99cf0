//! The direction of dependencies in `src`, read from its import paths.
//!
//! - [`ROWS`] lists the modules of the crate root from top to bottom. A module uses only modules in rows below its own.
//! - No two sibling modules import each other, directly or through other siblings, at any depth. A module and its own
//!   submodules count as one.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The modules of the crate root, from top to bottom. `src/lib.rs` declares them in this order.
const ROWS: &[&str] = &[
    "fuzzing",
    "simulation",
    "command",
    "config",
    "app",
    "sink",
    "advice",
    "explain",
    "observe",
    "refresh",
    "store",
    "chain",
    "plan",
    "lease",
    "schedule",
    "sts",
    "token",
    "http",
    "process",
    "settings",
    "cli",
    "shared_file",
    "atomic_file",
    "trusted_path",
    "bounded_file",
    "scrubber",
    "printable",
    "credentials",
    "arn",
    "clock",
];

#[test]
fn each_module_uses_only_modules_below_its_own() {
    let source = Source::read();
    let row = |module: &str| ROWS.iter().position(|row| *row == module);
    let mut upward = Vec::new();
    for (importer, imported) in source.imports() {
        let (Some(from), Some(to)) = (importer.first(), imported.first()) else { continue };
        let (Some(from_row), Some(to_row)) = (row(from), row(to)) else {
            panic!("{from} or {to} is missing from ROWS: give the new module a row");
        };
        if to_row < from_row {
            upward.push(format!("{} uses {}", importer.join("::"), imported.join("::")));
        }
    }
    eprintln!("{} files, {} imports, {} upward", source.texts.len(), source.imports().len(), upward.len());
    assert!(upward.is_empty(), "imports that point upward:\n{}", upward.join("\n"));
}

#[test]
fn lib_rs_declares_the_modules_in_the_order_of_the_rows() {
    let text = fs::read_to_string(source_directory().join("lib.rs")).expect("src/lib.rs");
    let declared: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(declared, ROWS);
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    let source = Source::read();
    // For each parent module: which of its children use which others.
    let mut siblings: BTreeMap<Module, BTreeMap<Module, BTreeSet<Module>>> = BTreeMap::new();
    for (importer, imported) in source.imports() {
        let common = importer.iter().zip(&imported).take_while(|(one, other)| one == other).count();
        // One of them contains the other.
        if common == importer.len() || common == imported.len() {
            continue;
        }
        let (parent, from, to) = (&importer[..common], &importer[..=common], &imported[..=common]);
        siblings.entry(parent.to_vec()).or_default().entry(from.to_vec()).or_default().insert(to.to_vec());
    }
    let circles: Vec<String> = siblings.values().filter_map(circle).collect();
    eprintln!("{} groups of siblings, {} circles", siblings.len(), circles.len());
    assert!(circles.is_empty(), "modules that import each other:\n{}", circles.join("\n"));
}

#[test]
fn run_knows_no_sink_by_name() {
    let imports = Source::read().imports();
    let sinks = imports.iter().filter(|(importer, imported)| *importer == ["command", "run"] && imported[0] == "sink");
    let modules: Vec<&Module> = sinks.map(|(_, imported)| imported).collect();
    assert_eq!(modules, [&["sink".to_owned()]], "a new sink must need no change in run");
}

#[test]
fn the_sink_in_contributing_md_is_the_one_in_src() {
    let text = fs::read_to_string(source_directory().join("../CONTRIBUTING.md")).expect("CONTRIBUTING.md");
    let (_, diff) = text.split_once("+++ b/src/sink/instance_metadata.rs\n").expect("the diff of a new sink");
    let added: Vec<&str> = diff.lines().map_while(|line| line.strip_prefix('+')).map(str::trim).collect();
    assert!(added.len() > 30, "the diff ends early: {added:?}");
    let source = fs::read_to_string(source_directory().join("sink/instance_metadata.rs")).expect("the sink");
    let mut lines = source.lines().map(str::trim);
    for line in added {
        assert!(
            lines.any(|existing| existing == line),
            "{line:?} is missing in src/sink/instance_metadata.rs, or in another order"
        );
    }
}

#[test]
fn only_one_module_reads_the_environment_or_the_clock() {
    let mut found = BTreeSet::new();
    for (module, text) in Source::read().texts {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        if ["std::env::var", "SystemTime::now()", "Instant::now()", "tokio::time::sleep("]
            .iter()
            .any(|call| code.contains(call))
        {
            found.insert(module.join("::"));
        }
    }
    assert_eq!(Vec::from_iter(found), ["clock", "settings::environment"]);
}

/// The segments of a module's path below the crate root.
type Module = Vec<String>;

/// The source files, by module.
struct Source {
    texts: BTreeMap<Module, String>,
}

impl Source {
    fn read() -> Self {
        let mut texts = BTreeMap::new();
        for file in files(&source_directory()) {
            let module = file.strip_prefix(source_directory()).expect("a file in src").with_extension("");
            let module: Module = module.iter().map(|segment| segment.to_string_lossy().into_owned()).collect();
            if module != ["main"] && module != ["lib"] {
                texts.insert(module, fs::read_to_string(&file).expect("a readable file"));
            }
        }
        Self { texts }
    }

    /// Every import of one module by another, both as the modules of the files that hold them.
    fn imports(&self) -> BTreeSet<(Module, Module)> {
        let reexports: BTreeMap<&Module, Vec<Module>> =
            self.texts.iter().map(|(module, text)| (module, paths(text, module, true))).collect();
        let mut imports = BTreeSet::new();
        for (importer, text) in &self.texts {
            for path in paths(text, importer, false) {
                let imported = self.resolve(&path, &reexports);
                if !imported.is_empty() && imported != *importer {
                    imports.insert((importer.clone(), imported));
                }
            }
        }
        imports
    }

    /// Follows a path through modules and re-exports to the module of the file that defines its item.
    fn resolve(&self, path: &Module, reexports: &BTreeMap<&Module, Vec<Module>>) -> Module {
        let mut module = Module::new();
        for (index, segment) in path.iter().enumerate() {
            let child = [module.clone(), vec![segment.clone()]].concat();
            if self.texts.contains_key(&child) {
                module = child;
                continue;
            }
            let is_item = |target: &&Module| target.last() == Some(segment) && **target != path[..=index];
            if let Some(target) = reexports.get(&module).and_then(|targets| targets.iter().find(is_item)) {
                return self.resolve(target, reexports);
            }
            break;
        }
        module
    }
}

/// Returns a circle in a graph of modules, written as a path.
fn circle(graph: &BTreeMap<Module, BTreeSet<Module>>) -> Option<String> {
    fn visit<'a>(
        module: &'a Module,
        graph: &'a BTreeMap<Module, BTreeSet<Module>>,
        path: &mut Vec<&'a Module>,
        done: &mut BTreeSet<&'a Module>,
    ) -> Option<String> {
        if let Some(start) = path.iter().position(|visited| *visited == module) {
            let circle: Vec<String> = path[start..].iter().chain([&module]).map(|module| module.join("::")).collect();
            return Some(circle.join(" -> "));
        }
        if !done.contains(module) {
            path.push(module);
            let found = graph.get(module).into_iter().flatten().find_map(|next| visit(next, graph, path, done));
            path.pop();
            done.insert(module);
            return found;
        }
        None
    }
    let mut done = BTreeSet::new();
    graph.keys().find_map(|module| visit(module, graph, &mut Vec::new(), &mut done))
}

/// Returns the paths into this crate that a file mentions, from the crate root; with `only_reexports`, those that it re-exports.
fn paths(text: &str, module: &Module, only_reexports: bool) -> Vec<Module> {
    let code: String =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let mut found = Vec::new();
    for statement in code.split(';').filter_map(use_tree) {
        let (is_public, tree) = statement;
        if is_public || !only_reexports {
            flatten(tree, &[], &mut found);
        }
    }
    if !only_reexports {
        let path = |rest: &str| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next().unwrap_or("").to_owned()
        };
        let inline = ["crate::", "super::"]
            .into_iter()
            .flat_map(|root| code.match_indices(root).map(|(at, _)| path(&code[at..])).collect::<Vec<_>>());
        found.extend(inline.map(|path| path.trim_end_matches(':').split("::").map(str::to_owned).collect()));
    }
    found.into_iter().filter_map(|path| absolute(path, module)).collect()
}

/// Returns the tree of a `use` statement and whether it is a re-export.
fn use_tree(statement: &str) -> Option<(bool, &str)> {
    let start = statement.rfind("\nuse ").or_else(|| statement.rfind(" use ")).map_or(0, |at| at + 1);
    let tree = statement[start..].trim_start().strip_prefix("use ")?;
    let line = statement[..start].rsplit('\n').next().unwrap_or_default();
    Some((line.trim_start().starts_with("pub"), tree))
}

/// Splits `a::{b, c::d}` into `a::b` and `a::c::d`.
fn flatten(tree: &str, prefix: &[String], found: &mut Vec<Module>) {
    let (head, group) = match tree.find('{') {
        Some(at) => (&tree[..at], Some(tree[at + 1..].trim_end().trim_end_matches('}'))),
        None => (tree, None),
    };
    let name = |segment: &str| segment.split_whitespace().next().unwrap_or_default().to_owned();
    let head = head.split("::").map(name).filter(|segment| !["", "self", "*"].contains(&segment.as_str()));
    let path: Module = prefix.iter().cloned().chain(head).collect();
    let Some(group) = group else {
        found.push(path);
        return;
    };
    let mut depth = 0;
    for part in group.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    }) {
        if !part.trim().is_empty() {
            flatten(part.trim(), &path, found);
        }
    }
}

/// Resolves `crate`, `super` and the names of submodules; `None` for paths into other crates.
fn absolute(path: Module, module: &Module) -> Option<Module> {
    let supers = path.iter().take_while(|segment| *segment == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        // Inline modules, such as `mod tests`, are part of their file: their `super` stays in it.
        "super" => Some([&module[..module.len().saturating_sub(supers)], &path[supers..]].concat()),
        _ => Some([module.as_slice(), &path].concat()),
    }
}

fn source_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
