//! Checks the exchange of each hop, and then the caller identity of the last credentials.

use std::sync::Arc;

use crate::{
    advice::diagnosis::{self, RefusalContext, span},
    chain::{error::ProviderError, hop_provider::HopProvider},
    command::{
        Exit,
        check::{
            Checker,
            reachability::insert_clock,
            report::{Check, ProfileReport},
        },
        oneshot::{RetryError, RetryPolicy, provide_with_retries},
    },
    lease::Lease,
    plan::{ChainPlan, HopName},
    sts::{CallerIdentity, StsError},
    token::Claims,
};

/// Attempts before a check reports a failure. An expired token is reported after the first attempt.
const RETRY_POLICY: RetryPolicy = RetryPolicy { attempts: 3, expired_tokens: 1 };

/// Packed policy size, in percent of the limit, from which on a check warns: a longer pod name could exceed the limit.
const LARGE_PACKED_POLICY_SIZE: u32 = 80;

const IDENTITY: &str = "identity";

/// Returns the names of the checks from hop `number` on.
pub(super) fn names_from(chain: &ChainPlan, number: usize) -> Vec<String> {
    let hops = (number..=chain.hops.len() + 1).map(name_of);
    hops.chain([IDENTITY.to_owned()]).collect()
}

fn name_of(number: usize) -> String {
    format!("hop {number}")
}

impl Checker<'_> {
    /// Makes the exchanges in order, and stops at the first failure.
    pub(super) async fn exchanges(
        &self,
        chain: &ChainPlan,
        last: &Arc<HopProvider>,
        claims: Option<&Claims>,
        report: &mut ProfileReport,
    ) {
        let mut clock_is_reported = false;
        let mut lease = None;
        for hop in chain.hop_names() {
            let provider = last.ancestor(hop.number);
            let remaining = self.remaining_time();
            let result = provide_with_retries(&*provider, &**self.app.clock(), remaining, RETRY_POLICY).await;
            if !clock_is_reported && let Some(clock) = self.clock() {
                clock_is_reported = true;
                insert_clock(&mut report.checks, Some(clock));
            }
            match result {
                Ok(hop_lease) => {
                    report.checks.push(self.exchange_succeeded(chain, &hop, &hop_lease));
                    lease = Some(hop_lease);
                }
                Err(error) => {
                    report.checks.push(self.exchange_failed(chain, &hop, claims, error));
                    report.skipped = names_from(chain, hop.number + 1);
                    return;
                }
            }
        }
        if let Some(lease) = lease {
            report.checks.push(self.identity(chain, &lease).await);
        }
    }

    fn exchange_succeeded(&self, chain: &ChainPlan, hop: &HopName, lease: &Lease) -> Check {
        let name = name_of(hop.number);
        let expiry = lease.credentials.expiry().map(|expiry| {
            let remaining = lease.window.remaining(self.app.clock().now());
            format!("expires in {} ({expiry})", span(remaining))
        });
        let Some(role_arn) = &hop.role_arn else {
            let expiry = expiry.map(|expiry| format!(": {expiry}")).unwrap_or_default();
            return Check::ok(name, format!("the chain begins with {} credentials{expiry}", chain.base.kind()));
        };
        let action = if hop.number == 1 { "AssumeRoleWithWebIdentity" } else { "AssumeRole" };
        let receipt = &lease.receipt;
        let region = receipt.endpoint.as_ref().filter(|_| has_fallback(chain, hop));
        let region = region.map(|endpoint| format!("issued by the STS of {}", endpoint.region()));
        let request_id = receipt.request_id.as_ref().map(|id| format!("request ID {id}"));
        let size =
            receipt.packed_policy_size.map(|size| format!("policies and tags use {size} % of the packed size limit"));
        let parts: Vec<String> = [region, expiry, request_id, size].into_iter().flatten().collect();
        let message = format!("{role_arn}: {action} as {}: {}", lease.session_name.as_str(), parts.join(", "));
        if let [first, ..] = receipt.failed_endpoints.as_slice() {
            let help = format!("the STS of {} failed; see the log with --log-level warn", first.region());
            return Check::warn(name, message).help(help);
        }
        match receipt.packed_policy_size {
            Some(size) if size >= LARGE_PACKED_POLICY_SIZE => {
                let help =
                    "shorten the session policy or pass fewer session tags; a longer pod name could exceed the limit";
                Check::warn(name, message).help(help)
            }
            _ => Check::ok(name, message),
        }
    }

    fn exchange_failed(&self, chain: &ChainPlan, hop: &HopName, claims: Option<&Claims>, error: RetryError) -> Check {
        match error {
            RetryError::Failed(error) | RetryError::TimedOut(Some(error)) => self.refused(chain, hop, claims, &error),
            RetryError::TimedOut(None) => {
                let url = chain.session(hop.number).map(|session| session.endpoint.url_without_secrets());
                let url = url.map(|url| format!("{url}: ")).unwrap_or_default();
                self.timed_out(name_of(hop.number), &format!("{hop}: {url}"))
            }
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
            StsError::NotReached { .. } | StsError::InvalidResponse { .. } => None,
        };
        let prefix = hop.role_arn.as_ref().map(|role_arn| format!("{role_arn}: ")).unwrap_or_default();
        let name = name_of(hop.number);
        match diagnosis {
            Some(diagnosis) => {
                let check = Check::fail(exit, name, format!("{prefix}{}", diagnosis.cause));
                let check = check.with_response(sts_error.to_string()).help_steps(diagnosis.help);
                // This help tells which regions failed.
                if has_fallback(chain, hop) { check.help(error.help()) } else { check }
            }
            None => Check::fail(exit, name, format!("{prefix}{sts_error}")).help(error.help()),
        }
    }

    /// Checks that the credentials belong to the last role of the chain.
    async fn identity(&self, chain: &ChainPlan, lease: &Lease) -> Check {
        let Some((role_arn, session)) = chain.role_arn().zip(chain.session(chain.hops.len() + 1)) else {
            return Check::ok(IDENTITY, "the chain assumes no role");
        };
        let client = match self.app.client(&self.identity.proxies, session.ca_bundle.as_deref()) {
            Ok(client) => client,
            Err(errors) => return Check::fail(Exit::Usage, IDENTITY, errors.to_string()),
        };
        let endpoint = lease.receipt.endpoint.as_ref().unwrap_or(&session.endpoint);
        let mut attempts = 0;
        let identity = self.with_timeout(async {
            loop {
                attempts += 1;
                match client.caller_identity(endpoint, &lease.credentials).await {
                    Err(error)
                        if attempts < RETRY_POLICY.attempts
                            && ProviderError::at(last_hop(chain), error.clone()).is_transient() =>
                    {
                        self.app.clock().sleep(std::time::Duration::from_secs(1)).await;
                    }
                    other => return other,
                }
            }
        });
        match identity.await {
            None => {
                let url = endpoint.url_without_secrets();
                self.timed_out(IDENTITY.to_owned(), &format!("GetCallerIdentity: {url}: "))
            }
            Some(Ok(identity)) => check_identity(&identity, role_arn, endpoint.is_aws()),
            Some(Err(error)) if !endpoint.is_aws() && lacks_caller_identity(&error, role_arn) => {
                let message = format!("GetCallerIdentity: {error}");
                Check::warn(IDENTITY, message)
                    .help("the exchange succeeded: this is a failure only if the STS is that of AWS")
            }
            Some(Err(error)) => {
                let error = ProviderError::at(last_hop(chain), error);
                let help = "the exchange succeeded, but its identity cannot be confirmed; if a VPC endpoint policy applies, \
                            allow sts:GetCallerIdentity in the policy";
                Check::fail(Exit::of(&error), IDENTITY, format!("GetCallerIdentity: {}", error.message())).help(help)
            }
        }
    }

    fn timed_out(&self, name: String, prefix: &str) -> Check {
        let timeout = humantime::format_duration(self.timeout);
        let help = "check the network, or increase --timeout";
        Check::fail(Exit::Unavailable, name, format!("{prefix}no response within {timeout}")).help(help)
    }
}

fn has_fallback(chain: &ChainPlan, hop: &HopName) -> bool {
    chain.session(hop.number).is_some_and(|session| !session.fallback_endpoints.is_empty())
}

fn last_hop(chain: &ChainPlan) -> HopName {
    HopName { number: chain.hops.len() + 1, role_arn: chain.role_arn().cloned() }
}

/// Returns true if the error can mean that this STS, which is not that of AWS, has no GetCallerIdentity. Few of the other
/// implementations have it, and their errors differ.
fn lacks_caller_identity(error: &StsError, role_arn: &crate::arn::RoleArn) -> bool {
    match error {
        StsError::NotReached { .. } => false,
        StsError::InvalidResponse { .. } => !role_arn.is_aws(),
        StsError::Refused(refusal) => {
            !role_arn.is_aws()
                || matches!(refusal.status, 404 | 405 | 501)
                || matches!(&*refusal.code, "InvalidAction" | "NotImplemented" | "UnsupportedOperation")
                || refusal.message.contains("nsupported action")
        }
    }
}

/// Checks that the identity is a session of the role: `arn:PARTITION:sts::ACCOUNT:assumed-role/NAME/SESSION`.
///
/// Another implementation of STS can have other ARNs, for example without an account. An ARN in the format of AWS must be the
/// expected one there too.
fn check_identity(identity: &CallerIdentity, role_arn: &crate::arn::RoleArn, is_aws: bool) -> Check {
    let request_id = identity.request_id.as_deref().unwrap_or("none");
    let session_prefix =
        format!("arn:{}:sts::{}:assumed-role/{}/", role_arn.partition(), role_arn.account_id(), role_arn.name());
    let message = format!("GetCallerIdentity: {}, request ID {request_id}", identity.arn);
    if identity.arn.starts_with(&session_prefix) {
        return Check::ok(IDENTITY, message);
    }
    let has_account = identity.arn.split(':').nth(4).is_some_and(|account| account.len() == 12);
    let has_format_of_aws = role_arn.is_aws() && has_account;
    if !is_aws && !has_format_of_aws {
        let help = "compare the ARN with the role: this STS is not that of AWS, and its ARNs have another format";
        return Check::warn(IDENTITY, message).help(help);
    }
    let help = "check AWS_ENDPOINT_URL_STS: the server returned credentials of another role";
    Check::fail(Exit::Refused, IDENTITY, format!("{message}, which is not a session of {role_arn}")).help(help)
}
