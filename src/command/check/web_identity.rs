//! The web identity token: its file, what it says of itself, and how much of its life is left.
//!
//! The kubelet renews a projected token when 80 % of its life or 24 hours are over, and looks about every minute.
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
    token::{Claims, TokenFile},
};

/// The audience of the partition that has one of its own.
const AUDIENCE_IN_CHINA: &str = "sts.amazonaws.com.cn";

/// How late the kubelet may be without anything being wrong: it looks at a volume every minute or so.
const USUAL_DELAY: Duration = Duration::from_secs(90);

const ONE_DAY: Duration = Duration::from_secs(24 * 60 * 60);

const OVERDUE_MEND: &str = "mount the projected volume's directory rather than a subPath of it, which the kubelet never \
                            renews; where the mount is right, see the node's kubelet and its clock";

/// What a token's file gave.
pub(super) struct Read {
    pub(super) checks: Vec<Check>,
    pub(super) claims: Option<Claims>,
}

/// Reads the token.
pub(super) fn read(file: &TokenFile) -> Read {
    let circumstances = circumstances(file.path());
    match file.read() {
        Ok(token) => {
            let message = format!("{}: {circumstances}", file.path().display());
            Read { checks: vec![Check::ok("token file", message)], claims: Some(token.claims().clone()) }
        }
        Err(error) => {
            let message = format!("{} ({circumstances})", error.what());
            let check = Check::fail(Exit::Token, "token file", message).help(error.help());
            Read { checks: vec![check], claims: None }
        }
    }
}

/// Mode and owner of the file, and who is asking.
fn circumstances(path: &Path) -> String {
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

/// What the token says of itself.
pub(super) fn claims(claims: &Claims, offline: bool) -> Check {
    let audiences = claims.audience.as_slice();
    let or_none = |text: &str| if text.is_empty() { "none".to_owned() } else { text.to_owned() };
    let message = format!(
        "issuer {}, subject {}, audience {}",
        or_none(&claims.issuer),
        or_none(&claims.subject),
        or_none(&audiences.join(", "))
    );
    let project = format!("mount a projected serviceAccountToken volume with `audience: {USUAL_AUDIENCE}`");
    let missing: Vec<&str> =
        [("iss", claims.issuer.is_empty()), ("sub", claims.subject.is_empty()), ("aud", audiences.is_empty())]
            .into_iter()
            .filter_map(|(claim, is_missing)| is_missing.then_some(claim))
            .collect();
    let is_usual = audiences.iter().any(|audience| audience == USUAL_AUDIENCE || audience == AUDIENCE_IN_CHINA);
    match missing.as_slice() {
        // STS would refuse it for certain, but it is STS's word that counts where it can be heard.
        [_, ..] => Check::warn("token claims", format!("{message}; STS requires {}", missing.join(", "))).help(project),
        // Online the exchange tells whether the provider lists it.
        [] if offline && !is_usual => {
            Check::warn("token claims", format!("{message}; identity providers in IAM usually list {USUAL_AUDIENCE}"))
                .help(format!("{project}, or add the token's audience to the provider's client IDs"))
        }
        [] => Check::ok("token claims", message),
    }
}

/// How much of the token's life is left at `now`.
pub(super) fn life(claims: &Claims, path: Option<&Path>, now: SystemTime) -> Check {
    const NAME: &str = "token life";
    let Some(expiry) = claims.expiry() else {
        let help = "mount a projected serviceAccountToken volume: its tokens expire and are renewed";
        let message = "it never expires (no exp claim): a service account secret's token, which STS does not take";
        return Check::warn(NAME, message).help(help);
    };
    let issued = claims.issued_at();
    let age = issued.and_then(|issued| now.duration_since(issued).ok());
    let issued_text = match age {
        Some(age) => format!("issued {} ago, ", span(age)),
        None if issued.is_some() => "issued in the future, ".to_owned(),
        None => String::new(),
    };
    let written = Expiry::from(expiry);
    let left = match expiry.duration_since(now) {
        Ok(left) if !left.is_zero() => left,
        _ => {
            let ago = span(now.duration_since(expiry).unwrap_or_default());
            let message =
                format!("{issued_text}expired {ago} ago ({written}): nothing has renewed it{}", how_mounted(path));
            return Check::fail(Exit::Token, NAME, message).help(OVERDUE_MEND);
        }
    };
    let message = format!("{issued_text}expires in {} ({written})", span(left));
    let life = issued.and_then(|issued| expiry.duration_since(issued).ok());
    // Whoever else renews a token follows rules of its own.
    let is_of_cluster = claims.kubernetes.is_some() || claims.service_account().is_some();
    let (Some(age), Some(life), true) = (age, life, is_of_cluster) else { return Check::ok(NAME, message) };
    let renewed_at = life.mul_f64(0.8).min(ONE_DAY);
    if age > renewed_at + USUAL_DELAY {
        let late = span(age - renewed_at);
        let message = format!("{message}; the kubelet should have renewed it {late} ago{}", how_mounted(path));
        return Check::warn(NAME, message).help(OVERDUE_MEND);
    }
    match renewed_at.checked_sub(age) {
        Some(wait) => Check::ok(NAME, format!("{message}; the kubelet renews it in {}", span(wait))),
        None => Check::ok(NAME, format!("{message}; the kubelet renews it about now")),
    }
}

/// The kubelet projects a symbolic link into a directory that it swaps; anything else stays as it is.
fn how_mounted(path: Option<&Path>) -> &'static str {
    let is_link = path.and_then(|path| path.symlink_metadata().ok()).is_some_and(|metadata| metadata.is_symlink());
    if is_link { "" } else { " (the file is no symbolic link, as the kubelet's are: a subPath mount, or a copy)" }
}

#[cfg(test)]
mod tests {
    use super::{super::report::Outcome, *};

    /// A token of an hour, seen after so many seconds.
    fn after(seconds: u64) -> Check {
        let claims = serde_json::from_str(r#"{"sub": "system:serviceaccount:shop:app", "iat": 100000, "exp": 103600}"#)
            .expect("claims");
        life(&claims, None, SystemTime::UNIX_EPOCH + Duration::from_secs(100_000 + seconds))
    }

    #[test]
    fn a_life_goes_from_renewal_over_overdue_to_expired() {
        for (seconds, outcome, words) in [
            (
                600,
                Outcome::Ok,
                "issued 10 min ago, expires in 50 min (1970-01-02T04:46:40Z); the kubelet renews it in 38 min",
            ),
            (2_900, Outcome::Ok, "renews it about now"),
            (2_969, Outcome::Ok, "renews it about now"),
            (2_971, Outcome::Warn, "should have renewed it 91 s ago (the file is no symbolic link"),
            (3_599, Outcome::Warn, "expires in 1 s"),
            (3_600, Outcome::Fail(Exit::Token), "expired 0 s ago"),
            (10_800, Outcome::Fail(Exit::Token), "issued 3 h ago, expired 2 h ago"),
        ] {
            let check = after(seconds);
            assert_eq!(check.outcome, outcome, "{seconds}: {check:?}");
            assert!(check.message.contains(words), "{seconds}: {check:?}");
        }
    }

    #[test]
    fn a_token_of_two_days_is_due_after_one() {
        let claims = serde_json::from_str(r#"{"kubernetes.io": {}, "iat": 0, "exp": 172800}"#).expect("claims");
        let check = life(&claims, None, SystemTime::UNIX_EPOCH + ONE_DAY + Duration::from_secs(600));
        assert!(check.message.contains("should have renewed it 10 min ago"), "{check:?}");
    }
}
