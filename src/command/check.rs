//! `credvend check`: checks the token, the configuration, STS and each hop, and reports each problem with its fix.
//!
//! This command checks all selected profiles, even if an earlier profile fails. Profiles that share the first hops share their
//! exchanges. Within a profile, a failure skips the later checks. The credentials are discarded when the command ends.

mod exchanges;
mod reachability;
mod report;
mod web_identity;

use std::{sync::Arc, time::Duration};

use crate::{
    advice::diagnosis,
    app::App,
    bounded_file::FifoPolicy,
    chain::hop_provider::HopProvider,
    cli::IdentityArgs,
    clock::Moment,
    command::{
        CommandError, Exit,
        check::{
            reachability::EndpointChecks,
            report::{Check, Hop, ProfileReport, Report},
        },
        oneshot,
        output::{is_json, print_json, print_lines},
        terminal::Terminal,
    },
    config::{self, Identity},
    plan::ChainPlan,
    settings::{environment::Environment, errors::ConfigErrors},
    token::TokenFile,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Check only the token and the configuration, without network requests
    #[arg(long)]
    offline: bool,

    /// Report format: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,

    /// Timeout of the whole command, including retries [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    #[command(flatten)]
    identity: IdentityArgs,
}

/// Runs the checks of one or more profiles.
struct Checker<'a> {
    app: &'a App,
    identity: &'a Identity,
    endpoint_checks: EndpointChecks,
    offline: bool,
    started: Moment,
    timeout: Duration,
}

/// Checks all selected profiles and prints the report. Returns the first failure in the report.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    let as_json = is_json(&args.format)?;
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    let app = App::new().finish_within(timeout);
    let started = app.clock().now();
    let mut report = Report::default();
    for (name, identity) in read_identities(&args.identity, env, FifoPolicy::ReadWithin(timeout)) {
        match identity {
            Ok(identity) => {
                let profiles = check_profiles(&app, &identity, args.offline, started, timeout).await?;
                report.profiles.extend(profiles);
            }
            Err(errors) => report.profiles.push(configuration_failure(name, &errors, args, env)),
        }
    }
    if as_json { print_json(&report.document()) } else { print_lines(&report.text(Terminal::on_stdout(env))) }?;
    report.outcome()
}

/// Reads the configuration of all selected profiles. If it has errors, reads each half of the profiles separately, and so on, so that
/// only the profiles with errors are read alone. Returns the first profile of each part that was read together.
fn read_identities(
    args: &IdentityArgs,
    env: &dyn Environment,
    fifos: FifoPolicy,
) -> Vec<(String, Result<Identity, ConfigErrors>)> {
    match config::identity(args, env, fifos) {
        Err(_) if args.profile.len() > 1 => {
            let (left, right) = args.profile.split_at(args.profile.len() / 2);
            let part = |profiles: &[String]| IdentityArgs { profile: profiles.to_vec(), ..args.clone() };
            [left, right].into_iter().flat_map(|profiles| read_identities(&part(profiles), env, fifos)).collect()
        }
        identity => vec![(args.profile.first().cloned().unwrap_or_else(|| "default".into()), identity)],
    }
}

/// Returns the report of a profile with configuration errors: the errors, and the check of the token file if one is set.
fn configuration_failure(name: String, errors: &ConfigErrors, args: &Args, env: &dyn Environment) -> ProfileReport {
    let mut report = ProfileReport { name, ..ProfileReport::default() };
    report.checks.push(Check::fail(Exit::Usage, "configuration", errors.to_string()));
    let file = args.identity.web_identity_token_file.clone().or_else(|| env.text("AWS_WEB_IDENTITY_TOKEN_FILE"));
    if let Some(file) = file {
        report.checks.extend(web_identity::read(&TokenFile::new(file)).checks);
    }
    report
}

async fn check_profiles(
    app: &App,
    identity: &Identity,
    offline: bool,
    started: Moment,
    timeout: Duration,
) -> Result<Vec<ProfileReport>, CommandError> {
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    let endpoint_checks = EndpointChecks::default();
    let mut checker = Checker { app, identity, endpoint_checks, offline, started, timeout };
    let mut profiles = Vec::new();
    for (chain, provider) in identity.chains.iter().zip(&providers) {
        profiles.push(checker.check_profile(chain, provider).await);
    }
    if let Some(first) = profiles.first_mut() {
        first.checks.splice(0..0, identity.warnings.iter().map(|warning| Check::warn("configuration", warning)));
    }
    Ok(profiles)
}

impl Checker<'_> {
    async fn check_profile(&mut self, chain: &ChainPlan, provider: &Arc<HopProvider>) -> ProfileReport {
        let mut report = ProfileReport { name: chain.profile.clone(), ..ProfileReport::default() };
        report.checks.push(configuration(chain));
        let token = chain.base.web_identity().map(|hop| web_identity::read(&hop.token_file));
        let claims = token.as_ref().and_then(|token| token.claims.as_ref());
        report.hops = Hop::all(chain, claims);
        if let Some(token) = &token {
            report.checks.extend(token.checks.iter().cloned());
        }
        if let Some(claims) = claims {
            report.checks.push(web_identity::claims(claims, self.offline));
            let is_aws = chain.session(1).is_some_and(|session| session.endpoint.is_aws());
            report.checks.extend(web_identity::issuer(claims, is_aws));
            report.checks.push(self.token_lifetime(chain, claims).await);
        }
        if self.offline {
            return report;
        }
        let sts = self.sts(chain).await;
        report.checks.extend(sts);
        if report.has_failed() {
            report.skipped = exchanges::names_from(chain, 1);
        } else {
            self.exchanges(chain, provider, claims, &mut report).await;
        }
        report
    }

    /// Checks the expiry of the token by STS's clock. If the token is expired by this machine's clock, requests the time from STS
    /// first, because this machine's clock may be wrong.
    async fn token_lifetime(&self, chain: &ChainPlan, claims: &crate::token::Claims) -> Check {
        let clock = self.app.clock();
        let sts_clock = self.app.sts_clock();
        let seems_expired = claims.expiry().is_some_and(|expiry| expiry <= sts_clock.time(clock.now()));
        if seems_expired
            && !self.offline
            && !sts_clock.is_known()
            && let Some(session) = chain.session(1)
            && let Ok(client) = self.app.client(&self.identity.proxies, session.ca_bundle.as_deref())
        {
            for endpoint in session.endpoints().take_while(|_| !sts_clock.is_known()) {
                let _ = self.with_timeout(client.learn_time(endpoint)).await;
            }
        }
        let path = chain.base.web_identity().map(|hop| hop.token_file.path());
        web_identity::lifetime(claims, path, sts_clock.time(clock.now()))
    }

    /// Returns the remaining time before `--timeout`.
    fn remaining_time(&self) -> Duration {
        self.timeout.saturating_sub(self.app.clock().now().since(self.started))
    }

    /// Awaits `future`, or returns `None` if `--timeout` is over.
    async fn with_timeout<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            output = future => Some(output),
            () = self.app.clock().sleep(self.remaining_time()) => None,
        }
    }
}

/// Reports the chain of a profile.
fn configuration(chain: &ChainPlan) -> Check {
    if let Some(diagnosis) = diagnosis::foreign_partition(chain) {
        return Check::fail(Exit::Usage, "configuration", diagnosis.cause).help_steps(diagnosis.help);
    }
    let base = match chain.base.web_identity() {
        Some(hop) => format!("token {} -> {}", hop.token_file.path().display(), hop.session.role_arn),
        None => chain.base.kind().to_owned(),
    };
    let hops = chain.hops.iter().map(|hop| hop.session.role_arn.to_string());
    let steps: Vec<String> = std::iter::once(base).chain(hops).collect();
    if let Some(session) = chain.sessions().find(|session| !session.role_arn.is_aws()) {
        let message = format!(
            "{}: {} is not a role ARN of AWS, so only the STS at {} can accept it",
            steps.join(" -> "),
            session.role_arn,
            session.endpoint.url_without_secrets()
        );
        return Check::warn("configuration", message).help(
            "for AWS, set the ARN of an IAM role (arn:aws:iam::ACCOUNT:role/NAME) and unset AWS_ENDPOINT_URL_STS",
        );
    }
    Check::ok("configuration", steps.join(" -> "))
}
