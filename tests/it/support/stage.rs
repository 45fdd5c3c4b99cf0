//! The surroundings of one test: a local STS with two accounts, a projected token and a scratch directory.

use std::{
    fs,
    path::{Path, PathBuf},
};

use local_sts::{Claims, Fault, LocalSts, TokenVolume, World};
use tempfile::TempDir;

use super::{Credvend, ROLE_A};

pub(crate) struct Stage {
    pub(crate) sts: LocalSts,
    pub(crate) tokens: TokenVolume,
    directory: TempDir,
}

impl Stage {
    /// Starts a local STS with two accounts, and mints a token for the service account that the first account trusts.
    pub(crate) fn new() -> Self {
        Self::with_sts(LocalSts::start(World::two_accounts()).expect("local STS starts"))
    }

    /// Does the same with this local STS.
    pub(crate) fn with_sts(sts: LocalSts) -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let volume = directory.path().join("tokens");
        fs::create_dir(&volume).expect("a directory for the token");
        let tokens = TokenVolume::create(&volume).expect("a token volume");
        let stage = Self { sts, tokens, directory };
        stage.renew_token(&Claims::service_account("shop", "checkout"));
        stage
    }

    /// Mints a token and replaces the projected one, as the kubelet does.
    pub(crate) fn renew_token(&self, claims: &Claims) -> String {
        let token = self.sts.mint(claims);
        self.tokens.write(&token).expect("written");
        token
    }

    /// Returns a command with the variables that the EKS pod identity webhook sets, in addition to those of `bare`.
    pub(crate) fn credvend(&self, arguments: &[&str]) -> Credvend {
        self.bare(arguments).env("AWS_ROLE_ARN", ROLE_A).env("AWS_WEB_IDENTITY_TOKEN_FILE", self.tokens.token_file())
    }

    /// Returns a command whose environment holds the endpoint of the local STS, a region and HOME, but no identity.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Credvend {
        Credvend::new(arguments)
            .env("AWS_ENDPOINT_URL_STS", self.sts.url())
            .env("AWS_REGION", "eu-central-1")
            .env("HOME", self.directory.path())
    }

    /// Returns a `bare` command with this AWS config file, in which `TOKEN` stands for the path of the token.
    pub(crate) fn with_config(&self, arguments: &[&str], config: &str) -> Credvend {
        let path = self.write("config", &config.replace("TOKEN", &self.tokens.token_file().display().to_string()));
        self.bare(arguments).env("AWS_CONFIG_FILE", path)
    }

    /// Returns the scratch directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Returns the path of a file in the scratch directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file in the scratch directory, and creates its parent directories.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a parent directory");
        fs::write(&path, content).expect("a file in the scratch directory");
        path
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        fs::read_to_string(self.directory.path().join(name)).expect("read")
    }

    /// Returns the actions of all requests to STS, in order.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.sts.requests().into_iter().filter_map(|request| request.action).collect()
    }

    /// Adds a fault to the script of the local STS.
    pub(crate) fn fault(&self, fault: Fault) {
        self.sts.inject(vec![fault]);
    }

    /// Returns the IAM user that is allowed to assume the first role.
    pub(crate) fn base_user() -> local_sts::User {
        let accounts = World::two_accounts().accounts.into_values();
        accounts.flat_map(|account| account.users.into_values()).next().expect("a user")
    }

    /// Asserts that `output` contains no secret that this STS issued and no token that it minted.
    pub(crate) fn refuse_leaks(&self, output: &str) {
        for secret in self.sts.issued_secrets() {
            let parts = secret.split('.').filter(|part| part.len() >= 24);
            for part in parts.chain([secret.as_str()]) {
                assert!(!output.contains(part), "the output contains a secret");
            }
        }
    }
}
