//! Checks the web identity token: its file, its claims and its remaining lifetime.
//!
//! The kubelet checks a projected token about every minute. It renews the token after 80 % of its lifetime or after 24 hours.
//! [Token volume projection](https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection).

use std::{
    os::unix::fs::MetadataExt as _,
    path::Path,
    time::{Duration, SystemTime},
};

use crate::{
    advice::diagnosis::{USUAL_AUDIENCE, span},
    command::{Exit, check::report::Check},
    credentials::Expiry,
    token::{Claims, ISSUER_HELP, TokenFile},
};

/// The default audience in the `aws-cn` partition.
const AUDIENCE_IN_CHINA: &str = "sts.amazonaws.com.cn";

/// Delay of a renewal that is normal, because the kubelet checks a token about every minute.
const NORMAL_RENEWAL_DELAY: Duration = Duration::from_secs(90);

const ONE_DAY: Duration = Duration::from_secs(24 * 60 * 60);

const RENEWAL_HELP: &str = "mount the directory of the projected volume instead of a subPath, because the kubelet does not \
                            renew a subPath; if the mount is correct, check the kubelet and the clock of the node";

/// The check of a token file, and the claims if the token could be read.
pub(super) struct TokenReport {
    pub(super) checks: Vec<Check>,
    pub(super) claims: Option<Claims>,
}

/// Reads the token and checks its file.
pub(super) fn read(file: &TokenFile) -> TokenReport {
    let access = describe_access(file.path());
    match file.read() {
        Ok(token) => {
            let message = format!("{}: {access}", file.path().display());
            TokenReport { checks: vec![Check::ok("token file", message)], claims: Some(token.claims().clone()) }
        }
        Err(error) => {
            let message = format!("{} ({access})", error.what());
            let code = if error.is_planted() { Exit::Sink } else { Exit::Token };
            let check = Check::fail(code, "token file", message).help(error.help());
            TokenReport { checks: vec![check], claims: None }
        }
    }
}

/// Describes the mode and owner of the file, and the user and groups of this process.
fn describe_access(path: &Path) -> String {
    let groups = rustix::process::getgroups().unwrap_or_default();
    let groups: Vec<String> = groups.into_iter().map(|group| group.as_raw().to_string()).collect();
    let groups = if groups.is_empty() { String::new() } else { format!(", groups {}", groups.join(" ")) };
    let process = format!(
        "this process is uid {}, gid {}{groups}",
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw()
    );
    match std::fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.mode() & 0o7777;
            format!("mode {mode:04o}, owner {}:{}; {process}", metadata.uid(), metadata.gid())
        }
        Err(_) => process,
    }
}

/// Checks the issuer, the subject and the audience of the token.
pub(super) fn claims(claims: &Claims, offline: bool) -> Check {
    let audiences = claims.audience.as_slice();
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let message = format!(
        "issuer {}, subject {}, audience {}",
        or_none(&claims.issuer),
        or_none(&claims.subject),
        or_none(&audiences.join(", "))
    );
    let help = format!("mount a projected serviceAccountToken volume with `audience: {USUAL_AUDIENCE}`");
    let missing: Vec<&str> =
        [("iss", claims.issuer.is_empty()), ("sub", claims.subject.is_empty()), ("aud", audiences.is_empty())]
            .into_iter()
            .filter_map(|(claim, is_missing)| is_missing.then_some(claim))
            .collect();
    let is_usual = audiences.iter().any(|audience| audience == USUAL_AUDIENCE || audience == AUDIENCE_IN_CHINA);
    match missing.as_slice() {
        // A warning, not a failure: the exchange reports the refusal of STS.
        [_, ..] => Check::warn("token claims", format!("{message}; STS requires {}", missing.join(", "))).help(help),
        // If not offline, the exchange shows whether the identity provider accepts the audience.
        [] if offline && !is_usual => {
            Check::warn("token claims", format!("{message}; IAM identity providers usually list {USUAL_AUDIENCE}"))
                .help(format!("{help}, or add the audience of the token to the client IDs of the identity provider"))
        }
        [] => Check::ok("token claims", message),
    }
}

/// Returns a warning if AWS cannot use the issuer of the token.
pub(super) fn issuer(claims: &Claims, is_aws: bool) -> Option<Check> {
    let problem = claims.issuer_problem(is_aws).filter(|_| !claims.issuer.is_empty())?;
    let message = format!("AWS cannot use the issuer {}: {problem}", claims.issuer);
    Some(Check::warn("token issuer", message).help_steps(ISSUER_HELP.map(str::to_owned).to_vec()))
}

/// Checks the lifetime of the token at `now`.
pub(super) fn lifetime(claims: &Claims, path: Option<&Path>, now: SystemTime) -> Check {
    const NAME: &str = "token lifetime";
    let Some(expiry) = claims.expiry() else {
        let help = "mount a projected serviceAccountToken volume, whose tokens expire and are renewed";
        let message =
            "the token never expires (no exp claim): it is from a service account secret, and STS does not accept it";
        return Check::warn(NAME, message).help(help);
    };
    let issued = claims.issued_at();
    let age = issued.and_then(|issued| now.duration_since(issued).ok());
    let issued_text = match age {
        Some(age) => format!("issued {} ago, ", span(age)),
        None if issued.is_some() => "issued in the future, ".to_owned(),
        None => String::new(),
    };
    let timestamp = Expiry::from(expiry);
    let remaining = match expiry.duration_since(now) {
        Ok(remaining) if !remaining.is_zero() => remaining,
        _ => {
            let ago = span(now.duration_since(expiry).unwrap_or_default());
            let message =
                format!("{issued_text}expired {ago} ago ({timestamp}) and was not renewed{}", mount_note(path));
            return Check::fail(Exit::Token, NAME, message).help(RENEWAL_HELP);
        }
    };
    let message = format!("{issued_text}expires in {} ({timestamp})", span(remaining));
    let lifetime = issued.and_then(|issued| expiry.duration_since(issued).ok());
    // The renewal rules apply only to tokens of Kubernetes service accounts.
    let is_kubernetes_token = claims.kubernetes.is_some() || claims.service_account().is_some();
    let (Some(age), Some(lifetime), true) = (age, lifetime, is_kubernetes_token) else {
        return Check::ok(NAME, message);
    };
    let renewal_age = lifetime.mul_f64(0.8).min(ONE_DAY);
    if age > renewal_age + NORMAL_RENEWAL_DELAY {
        let delay = span(age - renewal_age);
        let message = format!("{message}; the kubelet should have renewed it {delay} ago{}", mount_note(path));
        return Check::warn(NAME, message).help(RENEWAL_HELP);
    }
    match renewal_age.checked_sub(age) {
        Some(wait) => Check::ok(NAME, format!("{message}; the kubelet renews it in {}", span(wait))),
        None => Check::ok(NAME, format!("{message}; the kubelet renews it about now")),
    }
}

/// Returns a note if the token file is not a symbolic link. The kubelet projects tokens as symbolic links into a directory that
/// it replaces, so it does not renew any other file.
fn mount_note(path: Option<&Path>) -> &'static str {
    let is_link = path.and_then(|path| path.symlink_metadata().ok()).is_some_and(|metadata| metadata.is_symlink());
    if is_link { "" } else { " (the file is not a symbolic link of the kubelet: it is a subPath mount or a copy)" }
}

#[cfg(test)]
mod tests {
    use super::{super::report::Outcome, *};

    /// Checks a token with a lifetime of one hour, a number of seconds after its issue.
    fn check_after(seconds: u64) -> Check {
        let claims = serde_json::from_str(r#"{"sub": "system:serviceaccount:shop:app", "iat": 100000, "exp": 103600}"#)
            .expect("claims");
        lifetime(&claims, None, SystemTime::UNIX_EPOCH + Duration::from_secs(100_000 + seconds))
    }

    #[test]
    fn token_is_renewed_then_overdue_then_expired() {
        for (seconds, outcome, text) in [
            (
                600,
                Outcome::Ok,
                "issued 10 min ago, expires in 50 min (1970-01-02T04:46:40Z); the kubelet renews it in 38 min",
            ),
            (2_900, Outcome::Ok, "renews it about now"),
            (2_969, Outcome::Ok, "renews it about now"),
            (2_971, Outcome::Warn, "should have renewed it 91 s ago (the file is not a symbolic link"),
            (3_599, Outcome::Warn, "expires in 1 s"),
            (3_600, Outcome::Fail(Exit::Token), "expired 0 s ago"),
            (10_800, Outcome::Fail(Exit::Token), "issued 3 h ago, expired 2 h ago"),
        ] {
            let check = check_after(seconds);
            assert_eq!(check.outcome, outcome, "{seconds}: {check:?}");
            assert!(check.message.contains(text), "{seconds}: {check:?}");
        }
    }

    #[test]
    fn token_with_a_lifetime_of_two_days_is_due_after_one_day() {
        let claims = serde_json::from_str(r#"{"kubernetes.io": {}, "iat": 0, "exp": 172800}"#).expect("claims");
        let check = lifetime(&claims, None, SystemTime::UNIX_EPOCH + ONE_DAY + Duration::from_secs(600));
        assert!(check.message.contains("should have renewed it 10 min ago"), "{check:?}");
    }
}
