//! `credvend check`: token, configuration, STS and each hop, one after the other, and what is wrong with them.
//!
//! Every selected profile is examined, whatever an earlier one met; a beginning that profiles share is exchanged once. In a
//! profile what follows a failure is skipped. Nothing is vended: credentials live until the command ends.

mod exchanges;
mod reachability;
mod report;
mod web_identity;

use std::{sync::Arc, time::Duration};

use crate::{
    advice::diagnosis,
    app::App,
    chain::hop_provider::HopProvider,
    cli::IdentityArgs,
    clock::Moment,
    command::{
        CommandError, Exit,
        check::{
            reachability::Reaches,
            report::{Check, Hop, ProfileReport, Report},
        },
        oneshot,
        process::print,
    },
    config::{self, Identity},
    plan::ChainPlan,
    settings::{environment::Environment, errors::ConfigErrors},
    token::TokenFile,
};

/// What `check` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Examine token and configuration, and ask nobody
    #[arg(long)]
    offline: bool,

    /// Form of the report: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,

    /// Bound of the whole command, retries included [default: 60s]
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,

    #[command(flatten)]
    identity: IdentityArgs,
}

/// What an examination is made with.
struct Examiner<'a> {
    app: &'a App,
    identity: &'a Identity,
    reaches: Reaches,
    offline: bool,
    begun: Moment,
    timeout: Duration,
}

/// Examines every selected profile and prints the report. Fails with the first failure in it.
pub(super) async fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    let as_json = match args.format.as_str() {
        "text" => false,
        "json" => true,
        _ => return Err(ConfigErrors::one("--format must be text or json").into()),
    };
    let timeout = oneshot::timeout(args.timeout.as_ref())?;
    let app = App::new();
    let begun = app.clock().now();
    let mut report = Report::default();
    for (name, identity) in asked(&args.identity, env) {
        match identity {
            Ok(identity) => {
                let examined = examine(&app, &identity, args.offline, begun, timeout).await?;
                report.profiles.extend(examined);
            }
            Err(errors) => report.profiles.push(not_understood(name, &errors, args, env)),
        }
    }
    print(&if as_json { report.json() } else { report.text() })?;
    report.outcome()
}

/// What the command line asks for: everything at once, or where that is not understood, each profile by itself.
fn asked(args: &IdentityArgs, env: &dyn Environment) -> Vec<(String, Result<Identity, ConfigErrors>)> {
    let alone = |profile: &String| {
        let args = IdentityArgs { profile: vec![profile.clone()], ..args.clone() };
        (profile.clone(), config::identity(&args, env))
    };
    match config::identity(args, env) {
        Err(_) if args.profile.len() > 1 => args.profile.iter().map(alone).collect(),
        together => vec![(args.profile.first().cloned().unwrap_or_else(|| "default".into()), together)],
    }
}

/// What there is to say of a profile whose configuration means nothing: why, and how its token is.
fn not_understood(name: String, errors: &ConfigErrors, args: &Args, env: &dyn Environment) -> ProfileReport {
    let mut report = ProfileReport { name, ..ProfileReport::default() };
    report.checks.push(Check::fail(Exit::Usage, "configuration", errors.to_string()));
    let file = args.identity.web_identity_token_file.clone().or_else(|| env.text("AWS_WEB_IDENTITY_TOKEN_FILE"));
    if let Some(file) = file {
        report.checks.extend(web_identity::read(&TokenFile::new(file)).checks);
    }
    report
}

async fn examine(
    app: &App,
    identity: &Identity,
    offline: bool,
    begun: Moment,
    timeout: Duration,
) -> Result<Vec<ProfileReport>, CommandError> {
    let providers = app.providers(&identity.chains, &identity.proxies)?;
    let mut examiner = Examiner { app, identity, reaches: Reaches::default(), offline, begun, timeout };
    let mut profiles = Vec::new();
    for (chain, provider) in identity.chains.iter().zip(&providers) {
        profiles.push(examiner.profile(chain, provider).await);
    }
    if let Some(first) = profiles.first_mut() {
        first.checks.splice(0..0, identity.warnings.iter().map(|warning| Check::warn("configuration", warning)));
    }
    Ok(profiles)
}

impl Examiner<'_> {
    async fn profile(&mut self, chain: &ChainPlan, provider: &Arc<HopProvider>) -> ProfileReport {
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
            report.checks.push(self.token_life(chain, claims).await);
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

    /// Whether the token is still alive, by STS's clock. One that is dead by this machine's clock may be alive in truth, so
    /// then STS is asked the time first.
    async fn token_life(&self, chain: &ChainPlan, claims: &crate::token::Claims) -> Check {
        let clock = self.app.clock();
        let sts_clock = self.app.sts_clock();
        let seems_dead = claims.expiry().is_some_and(|expiry| expiry <= sts_clock.earliest(clock.now()));
        if seems_dead
            && !self.offline
            && !sts_clock.is_known()
            && let Some(session) = chain.session(1)
            && let Ok(client) = self.app.client(&self.identity.proxies, session.ca_bundle.as_deref())
        {
            let _ = self.in_time(client.ask_time(&session.endpoint)).await;
        }
        let path = chain.base.web_identity().map(|hop| hop.token_file.path());
        web_identity::life(claims, path, sts_clock.earliest(clock.now()))
    }

    /// What is left of `--timeout`.
    fn left(&self) -> Duration {
        self.timeout.saturating_sub(self.app.clock().now().since(self.begun))
    }

    /// What comes of some work, where it comes before time is up.
    async fn in_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            done = work => Some(done),
            () = self.app.clock().sleep(self.left()) => None,
        }
    }
}

/// The chain that the configuration means.
fn configuration(chain: &ChainPlan) -> Check {
    if let Some(foreign) = diagnosis::foreign_partition(chain) {
        return Check::fail(Exit::Usage, "configuration", foreign.cause).help_steps(foreign.help);
    }
    let base = match chain.base.web_identity() {
        Some(hop) => format!("token {} -> {}", hop.token_file.path().display(), hop.session.role_arn),
        None => chain.base.kind().to_owned(),
    };
    let hops = chain.hops.iter().map(|hop| hop.session.role_arn.to_string());
    let steps: Vec<String> = std::iter::once(base).chain(hops).collect();
    Check::ok("configuration", steps.join(" -> "))
}
