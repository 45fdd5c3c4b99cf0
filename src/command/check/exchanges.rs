//! Each hop's exchange, then whom STS takes the result for.

use std::sync::Arc;

use crate::{
    advice::diagnosis::{self, RefusalContext, span},
    chain::{error::ProviderError, hop_provider::HopProvider},
    command::{
        Exit,
        check::{
            Examiner,
            reachability::insert_clock,
            report::{Check, ProfileReport},
        },
        oneshot::{OneShotError, RetryPolicy, ask_within},
    },
    lease::Lease,
    plan::{ChainPlan, HopName},
    sts::{CallerIdentity, StsError},
    token::Claims,
};

/// What fails so often in a row is worth a line; a person waits for it. What STS says of an expired token is worth one at
/// once: it is examined here.
const PATIENCE: RetryPolicy = RetryPolicy { attempts: 3, expired_tokens: 1 };

/// Of the space for policies and tags; beyond, a longer pod name may be too much.
const MUCH_SPACE: u32 = 80;

const IDENTITY: &str = "identity";

/// The names of the checks from a hop's on.
pub(super) fn names_from(chain: &ChainPlan, number: usize) -> Vec<String> {
    let hops = (number..=chain.hops.len() + 1).map(name_of);
    hops.chain([IDENTITY.to_owned()]).collect()
}

fn name_of(number: usize) -> String {
    format!("hop {number}")
}

impl Examiner<'_> {
    /// Makes the exchanges in order, up to the first that fails.
    pub(super) async fn exchanges(
        &self,
        chain: &ChainPlan,
        last: &Arc<HopProvider>,
        claims: Option<&Claims>,
        report: &mut ProfileReport,
    ) {
        let mut clock_is_told = false;
        let mut lease = None;
        for hop in chain.hop_names() {
            let provider = last.ancestor(hop.number);
            let asked = ask_within(&*provider, &**self.app.clock(), self.left(), PATIENCE).await;
            if !clock_is_told && let Some(clock) = self.clock() {
                clock_is_told = true;
                insert_clock(&mut report.checks, Some(clock));
            }
            match asked {
                Ok(given) => {
                    report.checks.push(self.exchanged(chain, &hop, &given));
                    lease = Some(given);
                }
                Err(gave_up) => {
                    report.checks.push(self.not_exchanged(chain, &hop, claims, gave_up));
                    report.skipped = names_from(chain, hop.number + 1);
                    return;
                }
            }
        }
        if let Some(lease) = lease {
            report.checks.push(self.identity(chain, &lease).await);
        }
    }

    fn exchanged(&self, chain: &ChainPlan, hop: &HopName, lease: &Lease) -> Check {
        let name = name_of(hop.number);
        let expiry = lease.credentials.expiry().map(|expiry| {
            let left = lease.window.remaining(self.app.clock().now());
            format!("expires in {} ({expiry})", span(left))
        });
        let Some(role_arn) = &hop.role_arn else {
            let lasting = expiry.map(|expiry| format!(": {expiry}")).unwrap_or_default();
            return Check::ok(name, format!("the chain begins with {} credentials{lasting}", chain.base.kind()));
        };
        let action = if hop.number == 1 { "AssumeRoleWithWebIdentity" } else { "AssumeRole" };
        let receipt = &lease.receipt;
        let request_id = receipt.request_id.as_ref().map(|id| format!("request ID {id}"));
        let size = receipt.packed_policy_size.map(|size| format!("policies and tags fill {size} % of their space"));
        let parts: Vec<String> = [expiry, request_id, size].into_iter().flatten().collect();
        let message = format!("{role_arn}: {action} as {}: {}", lease.session_name.as_str(), parts.join(", "));
        match receipt.packed_policy_size {
            Some(size) if size >= MUCH_SPACE => {
                let help =
                    "shorten the session policy or pass fewer session tags, before a longer name makes it too much";
                Check::warn(name, message).help(help)
            }
            _ => Check::ok(name, message),
        }
    }

    fn not_exchanged(&self, chain: &ChainPlan, hop: &HopName, claims: Option<&Claims>, gave_up: OneShotError) -> Check {
        match gave_up {
            OneShotError::Refused(error) | OneShotError::Late(Some(error)) => self.refused(chain, hop, claims, &error),
            OneShotError::Late(None) => self.too_late(name_of(hop.number), &format!("{hop}: ")),
        }
    }

    fn refused(&self, chain: &ChainPlan, hop: &HopName, claims: Option<&Claims>, error: &ProviderError) -> Check {
        let exit = Exit::of(error);
        let Some((hop, sts_error)) = error.at_sts() else {
            return Check::fail(exit, name_of(hop.number), error.message()).help(error.help());
        };
        let context = RefusalContext {
            chain,
            hop,
            claims,
            clock_difference: self.app.sts_clock().difference(self.app.clock().now()),
        };
        let diagnosis = match sts_error {
            StsError::Refused(refusal) => diagnosis::diagnose(refusal, context),
            StsError::NotReached { .. } | StsError::NotAnAnswer { .. } => None,
        };
        let where_ = hop.role_arn.as_ref().map(|role_arn| format!("{role_arn}: ")).unwrap_or_default();
        let name = name_of(hop.number);
        match diagnosis {
            Some(diagnosis) => Check::fail(exit, name, format!("{where_}{}", diagnosis.cause))
                .answered(sts_error.to_string())
                .help_steps(diagnosis.help),
            None => Check::fail(exit, name, format!("{where_}{sts_error}")).help(error.help()),
        }
    }

    /// Asks whose the vended credentials are.
    async fn identity(&self, chain: &ChainPlan, lease: &Lease) -> Check {
        let Some((role_arn, session)) = chain.role_arn().zip(chain.session(chain.hops.len() + 1)) else {
            return Check::ok(IDENTITY, "the chain assumes no role");
        };
        let client = match self.app.client(&self.identity.proxies, session.ca_bundle.as_deref()) {
            Ok(client) => client,
            Err(errors) => return Check::fail(Exit::Usage, IDENTITY, errors.to_string()),
        };
        let mut attempts = 0;
        let asked = self.in_time(async {
            loop {
                attempts += 1;
                match client.caller_identity(&session.endpoint, &lease.credentials).await {
                    Err(error)
                        if attempts < PATIENCE.attempts
                            && ProviderError::at(of_last(chain), error.clone()).is_transient() =>
                    {
                        self.app.clock().sleep(std::time::Duration::from_secs(1)).await;
                    }
                    other => return other,
                }
            }
        });
        match asked.await {
            None => self.too_late(IDENTITY.to_owned(), "GetCallerIdentity: "),
            Some(Ok(identity)) => confirmed(&identity, role_arn),
            Some(Err(error)) => {
                let error = ProviderError::at(of_last(chain), error);
                let help = "the credentials were given, but whose they are cannot be confirmed: where a VPC endpoint's \
                            policy stands between, let it allow sts:GetCallerIdentity";
                Check::fail(Exit::of(&error), IDENTITY, format!("GetCallerIdentity: {}", error.message())).help(help)
            }
        }
    }

    fn too_late(&self, name: String, of: &str) -> Check {
        let timeout = humantime::format_duration(self.timeout);
        let help = "check the network, or allow more with --timeout";
        Check::fail(Exit::Unavailable, name, format!("{of}no answer before {timeout} were over")).help(help)
    }
}

fn of_last(chain: &ChainPlan) -> HopName {
    HopName { number: chain.hops.len() + 1, role_arn: chain.role_arn().cloned() }
}

/// Whether it is a session of the role: `arn:PARTITION:sts::ACCOUNT:assumed-role/NAME/SESSION`.
fn confirmed(identity: &CallerIdentity, role_arn: &crate::arn::RoleArn) -> Check {
    let request_id = identity.request_id.as_deref().unwrap_or("none");
    let of_role =
        format!("arn:{}:sts::{}:assumed-role/{}/", role_arn.partition(), role_arn.account_id(), role_arn.name());
    let message = format!("GetCallerIdentity: {}, request ID {request_id}", identity.arn);
    if identity.arn.starts_with(&of_role) {
        return Check::ok(IDENTITY, message);
    }
    let help = "see what answers at AWS_ENDPOINT_URL_STS: it gave credentials for one role and knows them as another's";
    Check::fail(Exit::Refused, IDENTITY, format!("{message}, which is no session of {role_arn}")).help(help)
}
