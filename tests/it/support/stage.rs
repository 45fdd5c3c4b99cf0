//! A stage for one test: an STS with its world, a projected token, a scratch directory.

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
    /// Two accounts, and a fresh token of the service account that the first one trusts.
    pub(crate) fn new() -> Self {
        Self::of(LocalSts::start(World::two_accounts()).expect("local STS starts"))
    }

    pub(crate) fn of(sts: LocalSts) -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let volume = directory.path().join("tokens");
        fs::create_dir(&volume).expect("made");
        let tokens = TokenVolume::create(&volume).expect("a token volume");
        let stage = Self { sts, tokens, directory };
        stage.renew_token(&Claims::service_account("shop", "checkout"));
        stage
    }

    /// Does what the kubelet does: mints a token and swaps it in.
    pub(crate) fn renew_token(&self, claims: &Claims) -> String {
        let token = self.sts.mint(claims);
        self.tokens.write(&token).expect("written");
        token
    }

    /// A command with the variables that the EKS pod identity webhook would set, and no others.
    pub(crate) fn credvend(&self, arguments: &[&str]) -> Credvend {
        self.bare(arguments).env("AWS_ROLE_ARN", ROLE_A).env("AWS_WEB_IDENTITY_TOKEN_FILE", self.tokens.token_file())
    }

    /// A command that knows only where STS is.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Credvend {
        Credvend::new(arguments)
            .env("AWS_ENDPOINT_URL_STS", self.sts.url())
            .env("AWS_REGION", "eu-central-1")
            .env("HOME", self.directory.path())
    }

    /// A command with an AWS config file of this content.
    pub(crate) fn with_config(&self, arguments: &[&str], config: &str) -> Credvend {
        let path = self.write("config", &config.replace("TOKEN", &self.tokens.token_file().display().to_string()));
        self.bare(arguments).env("AWS_CONFIG_FILE", path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        fs::write(&path, content).expect("written");
        path
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        fs::read_to_string(self.directory.path().join(name)).expect("read")
    }

    /// The actions that reached STS, in order.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.sts.requests().into_iter().filter_map(|request| request.action).collect()
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.sts.inject(vec![fault]);
    }

    /// The access key of the IAM user that may assume the first role.
    pub(crate) fn base_user() -> local_sts::User {
        let accounts = World::two_accounts().accounts.into_values();
        accounts.flat_map(|account| account.users.into_values()).next().expect("a user")
    }

    /// Refuses output that holds anything secret that this STS ever gave or minted.
    pub(crate) fn refuse_leaks(&self, output: &str) {
        for secret in self.sts.issued_secrets() {
            let parts = secret.split('.').filter(|part| part.len() >= 24);
            for part in parts.chain([secret.as_str()]) {
                assert!(!output.contains(part), "a secret was written out");
            }
        }
    }
}
