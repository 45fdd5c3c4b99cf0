//! The report of `credvend check`, as text or JSON.

use serde::Serialize;

use crate::{
    arn::SessionDuration,
    command::{
        CommandError, Exit,
        output::Lines,
        terminal::{Style, Terminal},
    },
    plan::{ChainPlan, SessionPlan},
    token::Claims,
};

/// The report of all profiles.
#[derive(Default)]
pub(super) struct Report {
    pub(super) profiles: Vec<ProfileReport>,
}

/// The report of one profile.
#[derive(Default)]
pub(super) struct ProfileReport {
    pub(super) name: String,
    pub(super) hops: Vec<Hop>,
    pub(super) checks: Vec<Check>,
    /// Names of the checks that were skipped after a failure.
    pub(super) skipped: Vec<String>,
}

/// The result of a check.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) name: String,
    pub(super) outcome: Outcome,
    pub(super) message: String,
    /// The error response of STS, if STS refused the request.
    response: Option<String>,
    /// The steps that fix the problem.
    help: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Ok,
    Warn,
    Fail(Exit),
}

/// A hop of the chain, as configured.
#[derive(Serialize)]
pub(super) struct Hop {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    web_identity_token_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_session_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sts_endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_region: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sts_fallback_regions: Vec<String>,
}

impl Check {
    pub(super) fn ok(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Outcome::Ok, name.into(), message.into())
    }

    pub(super) fn warn(name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Outcome::Warn, name.into(), message.into())
    }

    pub(super) fn fail(exit: Exit, name: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Outcome::Fail(exit), name.into(), message.into())
    }

    fn new(outcome: Outcome, name: String, message: String) -> Self {
        Self { name, outcome, message, response: None, help: Vec::new() }
    }

    /// Adds the error response of STS.
    pub(super) fn with_response(self, response: impl Into<String>) -> Self {
        Self { response: Some(response.into()), ..self }
    }

    /// Adds a step that fixes the problem.
    pub(super) fn help(mut self, step: impl Into<String>) -> Self {
        self.help.push(step.into());
        self
    }

    /// Adds the steps that fix the problem.
    pub(super) fn help_steps(mut self, steps: Vec<String>) -> Self {
        self.help.extend(steps);
        self
    }

    fn full_message(&self) -> String {
        match &self.response {
            Some(response) => format!("{}: {response}", self.message),
            None => self.message.clone(),
        }
    }
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail(_) => "fail",
        }
    }

    fn style(self) -> Style {
        match self {
            Self::Ok => Style::Green,
            Self::Warn => Style::Yellow,
            Self::Fail(_) => Style::Red,
        }
    }
}

impl Hop {
    /// Returns the hops of a chain. The role session name comes from the token's claims if it is not configured.
    pub(super) fn all(chain: &ChainPlan, claims: Option<&Claims>) -> Vec<Self> {
        let mut base = Self::of(chain.base.kind(), chain.session(1));
        if let Some(hop) = chain.base.web_identity() {
            base.web_identity_token_file = Some(hop.token_file.path().display().to_string());
            let from_claims = || claims.map(|claims| claims.session_name().as_str().to_owned());
            base.role_session_name = base.role_session_name.or_else(from_claims);
        }
        let chained = chain.hops.iter().map(|hop| Self {
            external_id: hop.external_id.as_ref().map(|external_id| external_id.as_str().to_owned()),
            ..Self::of("assume_role", Some(&hop.session))
        });
        std::iter::once(base).chain(chained).collect()
    }

    fn of(kind: &'static str, session: Option<&SessionPlan>) -> Self {
        Self {
            kind,
            role_arn: session.map(|session| session.role_arn.to_string()),
            web_identity_token_file: None,
            role_session_name: session.and_then(|session| Some(session.session_name.as_ref()?.as_str().to_owned())),
            external_id: None,
            duration_seconds: session.and_then(|session| session.duration.map(SessionDuration::as_secs)),
            sts_endpoint: session
                .map(|session| session.endpoint.url_without_secrets().trim_end_matches('/').to_owned()),
            signing_region: session.map(|session| session.endpoint.signing_region.clone()),
            sts_fallback_regions: session
                .iter()
                .flat_map(|session| &session.fallback_endpoints)
                .map(|endpoint| endpoint.region().to_owned())
                .collect(),
        }
    }
}

impl ProfileReport {
    pub(super) fn has_failed(&self) -> bool {
        self.first_failure().is_some()
    }

    fn first_failure(&self) -> Option<(Exit, &Check)> {
        self.checks.iter().find_map(|check| match check.outcome {
            Outcome::Fail(exit) => Some((exit, check)),
            Outcome::Ok | Outcome::Warn => None,
        })
    }
}

impl Report {
    /// Returns the report as a JSON document.
    pub(super) fn document(&self) -> impl Serialize {
        let profiles = self.profiles.iter().map(|ProfileReport { name, hops, checks, .. }| WireProfile {
            name,
            hops,
            checks: checks.iter().map(WireCheck::of).collect(),
        });
        Wire { profiles: profiles.collect() }
    }

    /// Formats the report as text. Each check has a line with result, name and message. The response of STS and the steps follow
    /// on separate lines.
    pub(super) fn text(&self, terminal: Option<Terminal>) -> Lines {
        let mut text = Lines::on(terminal);
        for profile in &self.profiles {
            text.gap();
            text.entry(&[(&format!("profile {}", profile.name), Style::Bold)], "", 0);
            let names = profile.checks.iter().map(|check| &check.name).chain(&profile.skipped);
            let width = names.map(|name| name.len()).max().unwrap_or_default();
            let mut line = |result: &str, style: Style, name: &str, message: &str, indent: usize| {
                let (result, name) = (format!("{result:<4}"), format!("  {name:<width$}  "));
                let head = [("  ", Style::Plain), (&*result, style), (&*name, Style::Plain)];
                text.entry(&head, message, width + "  fail    ".len() + indent);
            };
            for check in &profile.checks {
                line(check.outcome.as_str(), check.outcome.style(), &check.name, &check.message, 0);
                if let Some(response) = &check.response {
                    line("", Style::Plain, "", response, 0);
                }
                for step in &check.help {
                    line("", Style::Plain, "", &format!("-> {step}"), "-> ".len());
                }
            }
            for name in &profile.skipped {
                line("skip", Style::Dim, name, "not run because of the failure above", 0);
            }
        }
        text
    }

    /// Returns the first failure in the report.
    pub(super) fn outcome(&self) -> Result<(), CommandError> {
        let Some((profile, (exit, check))) =
            self.profiles.iter().find_map(|profile| Some((profile, profile.first_failure()?)))
        else {
            return Ok(());
        };
        let checks = || self.profiles.iter().flat_map(|profile| &profile.checks);
        let failed = checks().filter(|check| matches!(check.outcome, Outcome::Fail(_))).count();
        let Check { name, help, .. } = check;
        let message = check.full_message();
        let help = help.first().map(|help| format!("; {help}")).unwrap_or_default();
        let line = format!(
            "{failed} of {} checks failed: profile {}: {name}: {message}{help}",
            checks().count(),
            profile.name
        );
        Err(CommandError::new(exit, line))
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    profiles: Vec<WireProfile<'a>>,
}

#[derive(Serialize)]
struct WireProfile<'a> {
    name: &'a str,
    hops: &'a [Hop],
    checks: Vec<WireCheck<'a>>,
}

#[derive(Serialize)]
struct WireCheck<'a> {
    name: &'a str,
    result: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<String>,
}

impl<'a> WireCheck<'a> {
    fn of(check: &'a Check) -> Self {
        let help = (!check.help.is_empty()).then(|| check.help.join("; "));
        Self { name: &check.name, result: check.outcome.as_str(), message: check.full_message(), help }
    }
}
