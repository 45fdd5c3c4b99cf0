//! Checks links to files and headings of this repository, and the two versions of the diagram.

use super::blocks::{path, read};

/// Returns the anchor that GitHub generates for a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).collect::<String>();
    kept.replace(' ', "-")
}

fn anchors(file: &str) -> Vec<String> {
    let headings = read(file).lines().filter(|line| line.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    headings.iter().map(|line| anchor(line.trim_start_matches('#').trim())).collect()
}

/// Returns the targets of links and images.
fn targets(text: &str) -> Vec<&str> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let pictures = ["src=\"", "srcset=\""].into_iter().flat_map(|key| text.split(key).skip(1));
    links.chain(pictures.filter_map(|rest| rest.split('"').next())).collect()
}

#[test]
fn links_have_targets() {
    for file in ["README.md", "SECURITY.md"] {
        let text = read(file);
        let targets = targets(&text);
        let inside: Vec<_> = targets.iter().filter(|target| !target.starts_with("https://")).collect();
        assert!(inside.len() > 1, "{file}: {inside:?}");
        for target in inside {
            let (linked, fragment) = target.split_once('#').unwrap_or((target, ""));
            let linked = if linked.is_empty() { file } else { linked };
            // Beneath `../..` a forge has pages of its own.
            if linked.starts_with("../..") {
                continue;
            }
            assert!(path(linked).exists(), "{file}: {target} does not exist");
            let is_known = fragment.is_empty() || anchors(linked).iter().any(|anchor| anchor == fragment);
            assert!(is_known, "{file}: {linked} has no heading #{fragment}");
        }
    }
}

#[test]
fn diagrams_differ_only_in_colours() {
    let without_colours = |file: &str| {
        let text = read(&format!(".github/diagrams/{file}.svg"));
        let mut parts = text.split("\"#");
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |whole, part| whole + part.split_once('"').map_or(part, |(_, rest)| rest))
    };
    assert_eq!(without_colours("overview-light"), without_colours("overview-dark"));
}
