//! Runs credvend with the variables of the manifests in README.md. The pod tests also run the first manifest as a pod.

use super::blocks::fenced;
use crate::support::{ROLE_B, Stage, get, wait_until};

/// Returns container, name and value of each variable in a manifest.
fn variables(manifest: &str) -> Vec<(String, String, String)> {
    let mut container = String::new();
    let mut variables = Vec::new();
    for line in manifest.lines().map(|line| line.trim_start().trim_start_matches("- ")) {
        if let Some(name) = line.strip_prefix("name: ") {
            container = name.to_owned();
        }
        let pair = line.strip_prefix("{ name: ").and_then(|rest| rest.split_once(", value: "));
        if let Some((name, value)) = pair {
            let value = value.split(" }").next().unwrap_or_default().trim_matches('"');
            variables.push((container.clone(), name.to_owned(), value.to_owned()));
        }
    }
    variables
}

#[test]
fn manifests_serve_the_application() {
    let manifests: Vec<_> = fenced().into_iter().filter(|block| block.language == "yaml").collect();
    assert!(manifests.len() > 1 && manifests[0].text.starts_with("spec:\n"), "{manifests:?}");
    let base = variables(&manifests[0].text);
    for block in &manifests {
        // Later manifests show additions to the first one.
        let variables = [base.clone(), variables(&block.text)].concat();
        let stage = Stage::new();
        std::fs::create_dir(stage.path("credvend-shared")).expect("made");
        let here = |value: &str| {
            let shared = stage.path("credvend-shared").display().to_string();
            let token = stage.tokens.token_file().display().to_string();
            value.replace("/token/token", &token).replace("/credvend-shared", &shared)
        };
        let of = |container: &str| {
            let of_container: Vec<_> = variables.iter().filter(|(of, ..)| of == container).collect();
            assert!(!of_container.is_empty(), "README.md:{}: {container} has no variables", block.line);
            of_container.into_iter().map(|(_, name, value)| (name.clone(), here(value))).collect::<Vec<_>>()
        };
        let run = stage.bare(&["run"]).env("CREDVEND_LISTEN", "127.0.0.1:0");
        let run = of("credvend").iter().fold(run, |run, (name, value)| run.env(name, value)).start();
        let address = run.address();
        wait_until("credentials", || get(address, "/readyz", &[]).status == 200);

        let application = of("application");
        let value = |name: &str| application.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let url = value("AWS_CONTAINER_CREDENTIALS_FULL_URI").expect("a URL");
        let path = url.strip_prefix("http://127.0.0.1:9911").expect("the default address");
        let token = value("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(|file| stage.read(file));
        let header = token.map(|token| format!("Authorization: {token}"));
        let headers: Vec<&str> = header.iter().map(String::as_str).collect();
        assert_eq!(get(address, path, &headers).text("RoleArn"), ROLE_B, "README.md:{}", block.line);
        if !headers.is_empty() {
            assert_eq!(get(address, path, &[]).status, 401, "README.md:{}", block.line);
        }
    }
}

#[test]
fn manifests_use_known_variables() {
    let help: String = ["run", "process"].map(|command| super::help::printed(&[command, "--help"])).concat();
    let is_outside_a_name = |c: char| !c.is_ascii_uppercase() && !c.is_ascii_digit() && c != '_';
    let known = help.split(is_outside_a_name).collect::<Vec<_>>();
    for block in fenced().into_iter().filter(|block| block.language == "yaml") {
        for (_, name, _) in variables(&block.text) {
            assert!(known.contains(&name.as_str()), "README.md:{}: {name}", block.line);
        }
    }
}
