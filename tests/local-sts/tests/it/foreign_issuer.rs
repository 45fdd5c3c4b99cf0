use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binary::LocalStsProcess;
use crate::support::{ROLE_A, Response, post, request};

const ISSUER: &str = "https://oidc.cluster.example";

/// A process that signs tokens with its own key, as a Kubernetes API server does.
struct Issuer {
    process: LocalStsProcess,
    key_set: String,
}

impl Issuer {
    fn start(directory: &Path) -> Self {
        fs::create_dir(directory).expect("directory");
        let process = LocalStsProcess::start(directory, &["--world", &world(directory, Some(ISSUER))]);
        let key_set = request(&process.url, "GET", "/openid/v1/jwks", &[], "").body;
        Self { process, key_set }
    }

    fn token(&self) -> String {
        mint(&self.process.url)
    }
}

fn mint(url: &str) -> String {
    request(url, "POST", "/_local/token", &[("content-type", "application/json")], "{}").body
}

/// Writes the built-in world with this issuer and returns the path of the file.
fn world(directory: &Path, issuer: Option<&str>) -> String {
    let mut world: Value = serde_json::from_str(include_str!("../../src/world/two_accounts.json")).expect("JSON");
    if let Some(issuer) = issuer {
        world["issuer"] = json!(issuer);
    }
    write(directory, "world.json", &world.to_string())
}

fn write(directory: &Path, name: &str, content: &str) -> String {
    let file = directory.join(name);
    fs::write(&file, content).expect("file written");
    file.to_str().expect("UTF-8").to_owned()
}

fn verifier(directory: &Path, key_set: &str) -> LocalStsProcess {
    let keys = write(directory, "jwks.json", key_set);
    LocalStsProcess::start(directory, &["--world", &world(directory, Some(ISSUER)), "--jwks", &keys])
}

fn assume(url: &str, token: &str) -> Response {
    let parameters = [("RoleArn", ROLE_A), ("RoleSessionName", "foreign"), ("WebIdentityToken", token)];
    post(url, "AssumeRoleWithWebIdentity", &parameters)
}

fn temporary() -> TempDir {
    tempfile::tempdir().expect("temporary directory")
}

#[test]
fn token_of_the_issuer_in_the_key_set_is_exchanged() {
    let directory = temporary();
    let issuer = Issuer::start(&directory.path().join("issuer"));
    let sts = verifier(directory.path(), &issuer.key_set);
    let response = assume(&sts.url, &issuer.token());
    response.expect_credentials();
    assert_eq!(response.expect("Provider"), "arn:aws:iam::111111111111:oidc-provider/oidc.cluster.example");
    let served: Value = serde_json::from_str(&request(&sts.url, "GET", "/openid/v1/jwks", &[], "").body).expect("JSON");
    assert_eq!(served, serde_json::from_str::<Value>(&issuer.key_set).expect("JSON"));
}

#[test]
fn tokens_of_other_keys_are_refused() {
    let directory = temporary();
    let issuer = Issuer::start(&directory.path().join("issuer"));
    let other = Issuer::start(&directory.path().join("other"));
    let sts = verifier(directory.path(), &issuer.key_set);
    // The server's own key is another one too.
    for token in [other.token(), mint(&sts.url)] {
        assume(&sts.url, &token).expect_error("InvalidIdentityToken", 400, "Couldn't retrieve verification key");
    }
    // The ID of a key in the set does not make another signature valid.
    let (first, second) = (issuer.token(), issuer.token());
    let signed = first.rsplit_once('.').expect("a JWT").0;
    let signature = second.rsplit_once('.').expect("a JWT").1;
    let forged = format!("{signed}.{signature}");
    assume(&sts.url, &forged).expect_error("InvalidIdentityToken", 400, "JWT signature is invalid");
}

#[test]
fn several_keys_are_known_by_their_id() {
    let directory = temporary();
    let old = Issuer::start(&directory.path().join("old"));
    let new = Issuer::start(&directory.path().join("new"));
    let keys = |set: &str| serde_json::from_str::<Value>(set).expect("JSON")["keys"][0].clone();
    // Keys of other types are ignored.
    let elliptic = json!({"kty": "EC", "crv": "P-256", "kid": "e", "x": "AA", "y": "AA"});
    let set = json!({"keys": [elliptic, keys(&old.key_set), keys(&new.key_set)]}).to_string();
    let sts = verifier(directory.path(), &set);
    for issuer in [&old, &new] {
        assume(&sts.url, &issuer.token()).expect_credentials();
    }
}

#[test]
fn key_set_without_issuer_or_without_rsa_key_is_an_error() {
    let directory = temporary();
    let issuer = Issuer::start(&directory.path().join("issuer"));
    let no_rsa_key = json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "e", "x": "AA", "y": "AA"}]}).to_string();
    for (issuer_url, keys, expected) in [
        (None, issuer.key_set.as_str(), "a key set needs the URL of its issuer"),
        (Some(ISSUER), no_rsa_key.as_str(), "jwks.json: the key set has no RSA key"),
        (Some(ISSUER), "{}", "jwks.json: cannot parse the key set: missing field `keys`"),
    ] {
        let (world, keys) = (world(directory.path(), issuer_url), write(directory.path(), "jwks.json", keys));
        let output = Command::new(env!("CARGO_BIN_EXE_local-sts"))
            .args(["--world", &world, "--jwks", &keys])
            .output()
            .expect("local-sts runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(expected), "{stderr}");
    }
}
