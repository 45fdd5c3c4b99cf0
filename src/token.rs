//! The web identity token: what the kubelet projects into the pod, read again at each use.
//!
//! Input: a path. Output: the token, and its claims decoded for people and for the session's name. The claims are never
//! trusted: STS verifies the signature. What is refused here is only what STS would refuse for certain, so that the
//! error can name the file. The kubelet's token:
//! [service account token volume projection](https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection).

mod claims;

use std::{
    fmt, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

pub(crate) use claims::Claims;

use crate::{bounded_file, credentials::Expiry};

/// STS takes tokens of 4 to 20,000 characters.
const LONGEST: u64 = 20_000;

/// A web identity token as it stands in its file, without surrounding white space.
#[derive(Debug)]
pub(crate) struct WebIdentityToken {
    text: SecretString,
    claims: Claims,
}

impl WebIdentityToken {
    /// The token, exposed.
    pub(crate) fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// What it says of itself.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Takes a token apart.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut segments = text.split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err("a JWT has three parts between dots");
        };
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| "its second part is not base64url")?;
        let claims = serde_json::from_slice(&payload).map_err(|_| "its second part holds no JWT claims")?;
        Ok(Self { text: text.into(), claims })
    }
}

/// Where a token is found. Nothing is kept of its content between two uses: the kubelet replaces it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenFile(PathBuf);

impl TokenFile {
    /// A token file at `path`.
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the token.
    ///
    /// # Errors
    /// Where the file cannot be read or holds no JWT.
    pub(crate) fn read(&self) -> Result<WebIdentityToken, TokenError> {
        let text = match bounded_file::read(&self.0, LONGEST) {
            // The kubelet swaps `..data`; a path resolved just before can lose its directory once.
            Err(error) if error.kind() == io::ErrorKind::NotFound => bounded_file::read(&self.0, LONGEST),
            other => other,
        };
        let text = text.map_err(|error| self.error(TokenProblem::of_io(&error)))?;
        match text.trim() {
            "" => Err(self.error(TokenProblem::Empty)),
            token => WebIdentityToken::parse(token).map_err(|why| self.error(TokenProblem::Malformed(why))),
        }
    }

    /// Refuses a token that had expired at `now`, by STS's clock.
    ///
    /// # Errors
    /// Where it had.
    pub(crate) fn refuse_expired(&self, token: &WebIdentityToken, now: SystemTime) -> Result<(), TokenError> {
        match token.claims.expiry() {
            Some(expiry) if expiry <= now => {
                Err(self.error(TokenProblem::Expired { expiry: expiry.into(), now: now.into() }))
            }
            _ => Ok(()),
        }
    }

    fn error(&self, problem: TokenProblem) -> TokenError {
        TokenError { path: self.0.clone(), problem }
    }
}

/// Why there is no token to exchange.
#[derive(Clone, Debug)]
pub(crate) struct TokenError {
    path: PathBuf,
    problem: TokenProblem,
}

/// What is wrong with a token or its file.
#[derive(Clone, Debug)]
enum TokenProblem {
    Missing,
    PermissionDenied { uid: u32 },
    NotAFile,
    TooLarge,
    NotText,
    Unreadable(io::ErrorKind),
    Empty,
    Malformed(&'static str),
    Expired { expiry: Expiry, now: Expiry },
}

impl TokenProblem {
    fn of_io(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { uid: rustix::process::geteuid().as_raw() },
            io::ErrorKind::InvalidInput | io::ErrorKind::IsADirectory => Self::NotAFile,
            io::ErrorKind::FileTooLarge => Self::TooLarge,
            io::ErrorKind::InvalidData => Self::NotText,
            other => Self::Unreadable(other),
        }
    }
}

impl std::error::Error for TokenError {}

impl TokenError {
    /// What is wrong, with the file's path.
    pub(crate) fn what(&self) -> String {
        format!("web identity token file {}: {}", self.path.display(), self.problem)
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> &'static str {
        match &self.problem {
            TokenProblem::Missing => {
                "mount a projected serviceAccountToken volume there, or name its path with --web-identity-token-file"
            }
            TokenProblem::PermissionDenied { .. } => {
                "set fsGroup in the pod's securityContext and leave the volume's defaultMode alone"
            }
            TokenProblem::NotAFile => "name the token's file, not its directory",
            TokenProblem::TooLarge | TokenProblem::NotText => "name the token's file",
            TokenProblem::Unreadable(_) => "see that the volume is mounted and readable",
            TokenProblem::Empty => "the kubelet writes the token: see the pod's events, and that no subPath mounts it",
            TokenProblem::Malformed(_) => "name the file that the kubelet projects",
            TokenProblem::Expired { .. } => {
                "the kubelet renews it: mount the directory rather than a subPath, and check the node's clock"
            }
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what(), self.help())
    }
}

impl fmt::Display for TokenProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("no such file"),
            Self::PermissionDenied { uid } => write!(f, "permission denied to uid {uid}"),
            Self::NotAFile => f.write_str("not a regular file"),
            Self::TooLarge => write!(f, "longer than the {LONGEST} characters that STS takes"),
            Self::NotText => f.write_str("not text"),
            Self::Unreadable(kind) => write!(f, "{kind}"),
            Self::Empty => f.write_str("empty"),
            Self::Malformed(why) => write!(f, "no JSON web token: {why}"),
            Self::Expired { expiry, now } => write!(f, "expired at {expiry} (it is {now})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn token(claims: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    }

    fn read(content: &str) -> Result<WebIdentityToken, TokenError> {
        let directory = tempfile::tempdir().expect("a scratch directory");
        let path = directory.path().join("token");
        std::fs::write(&path, content).expect("written");
        TokenFile::new(path).read()
    }

    #[test]
    fn white_space_around_a_token_is_dropped() {
        let text = token(r#"{"sub":"system:serviceaccount:shop:checkout"}"#);
        assert_eq!(read(&format!("\n {text} \r\n")).expect("read").expose(), text);
    }

    #[test]
    fn an_expired_token_is_refused_at_its_last_second() {
        let file = TokenFile::new("/token");
        let token = WebIdentityToken::parse(&token(r#"{"exp":1000,"aud":"one"}"#)).expect("parsed");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(file.refuse_expired(&token, at(999)).is_ok());
        assert!(
            file.refuse_expired(&token, at(1000)).expect_err("expired").to_string().contains("1970-01-01T00:16:40Z")
        );
    }

    #[test]
    fn what_is_no_token_is_named_with_its_file_and_never_shown() {
        for content in
            ["", "  \n", "opaque-secret", "a.b", "a.!!!.c", "a.c2VjcmV0.c", &token("[1]"), &"x".repeat(20_001)]
        {
            let error = read(content).expect_err(content).to_string();
            assert!(error.contains("/token: ") && !error.contains("secret"), "{error}");
        }
        let directory = tempfile::tempdir().expect("a scratch directory");
        for path in [directory.path().to_path_buf(), directory.path().join("absent")] {
            assert!(TokenFile::new(path).read().is_err());
        }
    }
}
