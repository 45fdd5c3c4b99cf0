//! Refusals of a web identity token: its issuer, its audience, its age, or the trust in its subject.

use crate::{
    advice::{
        diagnosis::{Diagnosis, RefusalContext, USUAL_AUDIENCE, clock_says, span},
        iam::{IdentityProvider, Scope, get_role, trust_in_token},
    },
    arn::RoleArn,
    sts::cause::Cause,
    token::Claims,
};

pub(super) fn diagnose(cause: Cause, role_arn: &RoleArn, claims: &Claims, context: RefusalContext<'_>) -> Diagnosis {
    let account = role_arn.account_id();
    let provider = IdentityProvider::of(role_arn, claims);
    let (issuer, subject) = (&claims.issuer, &claims.subject);
    let audience = audience_of(claims);
    match cause {
        Cause::ProviderMissing => Diagnosis::new(
            format!(
                "account {account} has no IAM identity provider for the token's issuer {issuer} (the cluster was never \
                 registered there, or was made anew with another issuer)"
            ),
            format!("in account {account}: {}", provider.create_command()),
        ),
        Cause::AudienceNotListed => Diagnosis::new(
            format!(
                "the token's audience is {audience}, which is not among the client IDs of {} (providers usually list \
                 {USUAL_AUDIENCE})",
                provider.arn()
            ),
            match claims.audience.as_slice() {
                [one] if one == USUAL_AUDIENCE => "the provider has to list it".to_owned(),
                _ => format!("project the token with `audience: {USUAL_AUDIENCE}`, or let the provider list its own"),
            },
        )
        .or(format!("in account {account}: {}", provider.add_client_id_command())),
        Cause::AudienceMissing => Diagnosis::new(
            "the token names no audience (aud), as those of service account secrets do",
            format!(
                "mount a projected serviceAccountToken volume with `audience: {USUAL_AUDIENCE}` in place of the secret"
            ),
        ),
        Cause::KeysNotFetched => Diagnosis::new(
            format!(
                "AWS could not fetch the keys of the token's issuer {issuer}: they are not public, slow to come, or were \
                 rotated; it may pass"
            ),
            format!(
                "see from outside the network that {} answers over HTTPS, that the jwks_uri in it does too, and that it lists \
                 the key (kid) in the token's header; then try again",
                discovery_url(issuer)
            ),
        ),
        Cause::Thumbprint => Diagnosis::new(
            format!(
                "the HTTPS certificate of the token's issuer {issuer} is not the one that {} knows",
                provider.arn()
            ),
            format!("in account {account}, with the new one's thumbprint: {}", provider.update_thumbprint_command()),
        ),
        Cause::NotAToken => Diagnosis::new(
            format!("what the token file holds is no valid token to AWS (issuer {issuer}, subject {subject})"),
            "name the file of a projected serviceAccountToken volume: an access token, or one that was cut or altered, \
             does not do",
        ),
        Cause::TokenExpired => Diagnosis::new(
            format!("the token had expired by STS's clock{}", clock_note(context)),
            "the kubelet renews a projected token: mount the volume's directory rather than a subPath, and see that \
             nothing copies the token elsewhere",
        ),
        Cause::TokenTooOld => Diagnosis::new(
            format!("the token was issued more than 24 hours ago, which AWS takes for too old{}", clock_note(context)),
            "the kubelet renews a projected token every 24 hours: mount the volume's directory rather than a subPath; \
             elsewhere, fetch a new token",
        ),
        Cause::ClaimRejected => Diagnosis::new(
            format!("the identity provider {issuer} rejected the token's claims, or revoked it"),
            "see that the pod and its service account still exist, and let the kubelet project a new token (restart the pod)",
        ),
        Cause::ProviderNotReached => Diagnosis::new(
            format!("AWS could not talk to the token's issuer {issuer}; it may pass"),
            format!("try again; where it lasts, see from outside the network that {} answers", discovery_url(issuer)),
        ),
        // The rest of this module's causes: the trust policy.
        _ => Diagnosis::new(
            format!(
                "its trust policy does not allow this token (issuer {issuer}, subject {subject}, audience \
                 {audience}), or there is no such role"
            ),
            format!(
                "in account {account}, let the role's trust policy hold {} (`credvend trust-policy` prints it)",
                trust_in_token(role_arn, claims, Scope::ServiceAccount)
            ),
        )
        .or(format!(
            "see what it holds now: {} (condition keys are the issuer without https://; a wildcard needs StringLike)",
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

/// What the clocks have to do with it.
fn clock_note(context: RefusalContext<'_>) -> String {
    let difference = match context.clock_difference {
        Some(seconds) if seconds.abs() > 60 => format!("; this machine's clock is {}", clock_says(seconds)),
        _ => String::new(),
    };
    let life = context.claims.and_then(|claims| claims.expiry()?.duration_since(claims.issued_at()?).ok());
    match life {
        Some(life) => format!(" (it was made to live {}){difference}", span(life)),
        None => difference,
    }
}
