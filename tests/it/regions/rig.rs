//! Two regions of AWS: their STS are local servers that share accounts and sessions, reached through a proxy.

use local_sts::LocalSts;

use crate::support::{ConnectProxy, Credvend, Route, Stage};

pub(crate) const HOME: &str = "eu-central-1";
pub(crate) const AWAY: &str = "eu-west-1";
pub(crate) const HOME_HOST: &str = "sts.eu-central-1.amazonaws.com";
pub(crate) const AWAY_HOST: &str = "sts.eu-west-1.amazonaws.com";

pub(crate) struct Regions {
    /// Its STS mints tokens and holds the sessions; no request goes there.
    pub(crate) stage: Stage,
    pub(crate) home: LocalSts,
    pub(crate) away: LocalSts,
    pub(crate) proxy: ConnectProxy,
}

impl Regions {
    pub(crate) fn new() -> Self {
        let stage = Stage::new();
        let start = |host, region| stage.sts.start_region(host, region).expect("a local STS of a region");
        let (home, away) = (start(HOME_HOST, HOME), start(AWAY_HOST, AWAY));
        let proxy = ConnectProxy::start();
        stage.write("ca.pem", "");
        let regions = Self { stage, home, away, proxy };
        regions.trust(HOME_HOST, &regions.home);
        regions.trust(AWAY_HOST, &regions.away);
        regions
    }

    /// Starts the STS of a third region.
    pub(crate) fn add(&self, host: &str, region: &str) -> LocalSts {
        let sts = self.stage.sts.start_region(host, region).expect("a local STS of a region");
        self.trust(host, &sts);
        sts
    }

    fn trust(&self, host: &str, sts: &LocalSts) {
        self.proxy.route(host, Route::To(address(sts)));
        self.stage.write("ca.pem", &(self.stage.read("ca.pem") + sts.ca_pem().expect("a CA")));
    }

    /// Makes both regions unreachable.
    pub(crate) fn down(self) -> Self {
        self.proxy.route(HOME_HOST, Route::Refused);
        self.proxy.route(AWAY_HOST, Route::Refused);
        self
    }

    /// Returns a command with the home region and the fallback region.
    pub(crate) fn credvend(&self, arguments: &[&str]) -> Credvend {
        self.connected(self.stage.credvend(arguments)).env("CREDVEND_STS_FALLBACK_REGIONS", AWAY)
    }

    /// Returns a command with this AWS config file, and no region but those of the file.
    pub(crate) fn with_config(&self, arguments: &[&str], config: &str) -> Credvend {
        self.connected(self.stage.with_config(arguments, config)).without("AWS_REGION")
    }

    /// Replaces the AWS config file.
    pub(crate) fn write_config(&self, config: &str) {
        let token = self.stage.tokens.token_file().display().to_string();
        self.stage.write("config", &config.replace("TOKEN", &token));
    }

    fn connected(&self, command: Credvend) -> Credvend {
        let command = command.without("AWS_ENDPOINT_URL_STS");
        self.variables().into_iter().fold(command, |command, (name, value)| command.env(name, value))
    }

    /// Returns the variables through which the regions are reached.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let bundle = self.stage.path("ca.pem").display().to_string();
        vec![("HTTPS_PROXY", self.proxy.url()), ("AWS_CA_BUNDLE", bundle)]
    }

    /// Returns the actions of all requests to this STS, in order.
    pub(crate) fn actions(sts: &LocalSts) -> Vec<String> {
        sts.requests().into_iter().filter_map(|request| request.action).collect()
    }
}

/// Returns the address of a local STS.
pub(crate) fn address(sts: &LocalSts) -> std::net::SocketAddr {
    sts.url().trim_start_matches("https://").parse().expect("an address")
}
