//! Diagnoses of refused web identity tokens: wrong issuer, audience or age, or a subject that the role does not trust.

use crate::{
    advice::{
        diagnosis::{Diagnosis, RefusalContext, USUAL_AUDIENCE, describe_clock_difference, span},
        iam::{IdentityProvider, Scope, get_role, trust_in_token},
    },
    arn::RoleArn,
    sts::cause::Cause,
    token::{Claims, ISSUER_HELP},
};

pub(super) fn diagnose(cause: Cause, role_arn: &RoleArn, claims: &Claims, context: RefusalContext<'_>) -> Diagnosis {
    let account = role_arn.account_id();
    let issuer = &claims.issuer;
    let is_aws = context.chain.session(context.hop.number).is_some_and(|session| session.endpoint.is_aws());
    match (cause, claims.issuer_problem(is_aws)) {
        (Cause::ProviderMissing | Cause::KeysNotFetched | Cause::ProviderNotReached, Some(problem)) => Diagnosis {
            cause: format!(
                "account {account} can have no IAM identity provider for the token's issuer {issuer}: {problem}"
            ),
            help: ISSUER_HELP.map(str::to_owned).to_vec(),
        },
        (cause, _) => diagnose_usable(cause, role_arn, claims, context),
    }
}

/// Diagnoses a token whose issuer AWS can use.
fn diagnose_usable(cause: Cause, role_arn: &RoleArn, claims: &Claims, context: RefusalContext<'_>) -> Diagnosis {
    let account = role_arn.account_id();
    let provider = IdentityProvider::of(role_arn, claims);
    let (issuer, subject) = (&claims.issuer, &claims.subject);
    let audience = audience_of(claims);
    match cause {
        Cause::ProviderMissing => Diagnosis::new(
            format!(
                "account {account} has no IAM identity provider for the token's issuer {issuer} (the cluster was never \
                 registered in this account, or it was recreated with another issuer)"
            ),
            format!("run in account {account}: {}", provider.create_command()),
        ),
        Cause::AudienceNotListed => Diagnosis::new(
            format!(
                "the token's audience is {audience}, which is not among the client IDs of {} (providers usually list \
                 {USUAL_AUDIENCE})",
                provider.arn()
            ),
            match claims.audience.as_slice() {
                [one] if one == USUAL_AUDIENCE => "add this audience to the provider's client IDs".to_owned(),
                _ => format!(
                    "project the token with `audience: {USUAL_AUDIENCE}`, or add the token's audience to the \
                     provider's client IDs"
                ),
            },
        )
        .or(format!("run in account {account}: {}", provider.add_client_id_command())),
        Cause::AudienceMissing => Diagnosis::new(
            "the token has no audience (aud); tokens in service account Secrets have none",
            format!(
                "mount a projected serviceAccountToken volume with `audience: {USUAL_AUDIENCE}` instead of the Secret"
            ),
        ),
        Cause::KeysNotFetched => Diagnosis::new(
            format!(
                "AWS could not fetch the keys of the token's issuer {issuer}: the keys are not publicly accessible, \
                 the issuer responds too slowly, or the keys were rotated (this can be temporary)"
            ),
            format!(
                "verify from outside the network that {} responds over HTTPS, that the jwks_uri in it does too, and \
                 that the keys there include the one in the token's header (kid); then try again",
                discovery_url(issuer)
            ),
        ),
        Cause::Thumbprint => Diagnosis::new(
            format!(
                "the HTTPS certificate of the token's issuer {issuer} does not match the thumbprint in {}",
                provider.arn()
            ),
            format!(
                "run in account {account}, with the thumbprint of the new certificate: {}",
                provider.update_thumbprint_command()
            ),
        ),
        Cause::NotAToken => Diagnosis::new(
            format!("AWS could not validate the token (issuer {issuer}, subject {subject})"),
            "use the file of a projected serviceAccountToken volume; AWS accepts neither access tokens nor tokens that \
             were truncated or modified",
        ),
        Cause::TokenExpired => Diagnosis::new(
            format!("the token had expired by STS's clock{}", clock_note(context)),
            "mount the volume's directory rather than a subPath, so that the container sees the token that the \
             kubelet renews, and verify that no process copies the token to another place",
        ),
        Cause::TokenTooOld => Diagnosis::new(
            format!(
                "the token was issued more than 24 hours ago, and AWS does not accept older tokens{}",
                clock_note(context)
            ),
            "mount the volume's directory rather than a subPath, so that the container sees the token that the \
             kubelet renews every 24 hours; outside Kubernetes, request a new token",
        ),
        Cause::ClaimRejected => Diagnosis::new(
            format!("the token's issuer {issuer} rejected the token's claims, or the token was revoked"),
            "verify that the pod and its service account still exist, and restart the pod, so that the kubelet \
             projects a new token",
        ),
        Cause::ProviderNotReached => Diagnosis::new(
            format!("AWS could not reach the token's issuer {issuer} (this can be temporary)"),
            format!(
                "try again; if the error persists, verify from outside the network that {} responds",
                discovery_url(issuer)
            ),
        ),
        // `TokenNotTrusted`, the last of the causes that `diagnose` passes to this module.
        _ => Diagnosis::new(
            format!(
                "the role's trust policy does not allow this token (issuer {issuer}, subject {subject}, audience \
                 {audience}), or the role does not exist"
            ),
            format!(
                "in account {account}, add to the role's trust policy: {} (`credvend trust-policy` prints this policy)",
                trust_in_token(role_arn, claims, Scope::ServiceAccount)
            ),
        )
        .or(format!(
            "compare it with the current trust policy: {} (condition keys start with the issuer without https://; \
             wildcards require StringLike)",
            get_role(role_arn)
        )),
    }
}

fn audience_of(claims: &Claims) -> String {
    match claims.audience.as_slice() {
        [] => "none".to_owned(),
        several => several.join(", "),
    }
}

fn discovery_url(issuer: &str) -> String {
    format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'))
}

/// Returns the token's lifetime and the clock difference, as far as they are known and relevant.
fn clock_note(context: RefusalContext<'_>) -> String {
    let difference = match context.clock_difference {
        Some(seconds) if seconds.abs() > 60 => {
            format!("; this machine's clock is {}", describe_clock_difference(seconds))
        }
        _ => String::new(),
    };
    let lifetime = context.claims.and_then(|claims| claims.expiry()?.duration_since(claims.issued_at()?).ok());
    match lifetime {
        Some(lifetime) => format!(" (its lifetime is {}){difference}", span(lifetime)),
        None => difference,
    }
}
