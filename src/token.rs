//! Reads the web identity token that the kubelet projects into the pod. The file is read again at each use.
//!
//! Input: a path. Output: the token and its decoded claims, which are used for messages, the role session name and
//! session tags. The claims are never trusted: STS verifies the signature. Only tokens that STS would certainly refuse
//! are refused here, so that the error can name the file.
//!
//! [Service account token volume projection](https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#serviceaccount-token-volume-projection).

mod claims;
mod issuer;

use std::{
    fmt,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::SystemTime,
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

pub(crate) use claims::Claims;
pub(crate) use issuer::ISSUER_HELP;

use crate::{
    bounded_file::ReadError,
    credentials::Expiry,
    trusted_path::{self, Owners, Planted},
};

/// Maximum length of a token. STS accepts 4 to 20,000 characters.
const MAX_LENGTH: u64 = 20_000;

/// A web identity token, without the white space that surrounds it in its file.
#[derive(Debug)]
pub(crate) struct WebIdentityToken {
    text: SecretString,
    claims: Claims,
}

impl WebIdentityToken {
    /// Exposes the token.
    pub(crate) fn expose(&self) -> &str {
        self.text.expose_secret()
    }

    /// Returns the decoded claims. They are not verified.
    pub(crate) fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Decodes the claims of a token.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let mut segments = text.split('.');
        let (Some(_), Some(payload), Some(_), None) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err("a JWT must have three parts separated by dots");
        };
        let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| "its second part is not valid base64url")?;
        // The parser would accept an array of claims too.
        let object = payload.trim_ascii_start().starts_with(b"{").then_some(&payload);
        let claims = object.and_then(|object| serde_json::from_slice(object).ok());
        let claims = claims.ok_or("its second part does not contain JWT claims")?;
        Ok(Self { text: text.into(), claims })
    }
}

/// The path of a token. The content is not cached because the kubelet replaces the file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenFile(PathBuf);

impl TokenFile {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Reads the token.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read or does not contain a JWT.
    pub(crate) fn read(&self) -> Result<WebIdentityToken, TokenError> {
        let read = || trusted_path::read(&self.0, MAX_LENGTH, Owners::Trusted);
        let text = match read() {
            // The kubelet swaps the link `..data` and deletes the old directory: a path resolved before the swap fails
            // once.
            Err(error) if error.is_not_found() => read(),
            other => other,
        };
        let text = text.map_err(|error| self.error(TokenProblem::from(error)))?;
        match text.trim() {
            "" => Err(self.error(TokenProblem::Empty)),
            token => WebIdentityToken::parse(token).map_err(|reason| self.error(TokenProblem::Malformed(reason))),
        }
    }

    /// Checks that another user has not planted the file. A file that is missing is not planted.
    ///
    /// # Errors
    /// Returns an error if the file may be planted.
    pub(crate) fn refuse_planted(&self) -> Result<(), TokenError> {
        trusted_path::refuse_planted(&self.0).map_err(|planted| self.error(TokenProblem::Planted(planted)))
    }

    /// Checks that a token has not expired at `now`, the time by STS's clock.
    ///
    /// # Errors
    /// Returns an error if the token has expired.
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

/// Why a token file does not provide a usable token.
#[derive(Clone, Debug)]
pub(crate) struct TokenError {
    path: PathBuf,
    problem: TokenProblem,
}

#[derive(Clone, Debug)]
enum TokenProblem {
    Missing,
    PermissionDenied {
        uid: u32,
    },
    Planted(Planted),
    /// With the kind of the file.
    NotRegular(&'static str),
    TooLarge,
    NotText,
    Utf16,
    Unreadable(ErrorKind),
    Empty,
    Malformed(&'static str),
    Expired {
        expiry: Expiry,
        now: Expiry,
    },
}

impl From<ReadError> for TokenProblem {
    fn from(error: ReadError) -> Self {
        if let Some(planted) = Planted::in_read_error(&error) {
            return Self::Planted(planted.clone());
        }
        match error {
            ReadError::Io(error) => match error.kind() {
                ErrorKind::NotFound | ErrorKind::NotADirectory => Self::Missing,
                ErrorKind::PermissionDenied => Self::PermissionDenied { uid: rustix::process::geteuid().as_raw() },
                other => Self::Unreadable(other),
            },
            ReadError::NotRegular(kind) => Self::NotRegular(kind),
            ReadError::TooLarge(_) => Self::TooLarge,
            ReadError::NotText => Self::NotText,
            ReadError::Utf16 => Self::Utf16,
            ReadError::NoWriter | ReadError::WriterTimeout(_) => Self::NotRegular("a FIFO"),
        }
    }
}

impl std::error::Error for TokenError {}

impl TokenError {
    /// Returns true if another user may have planted the file.
    pub(crate) fn is_planted(&self) -> bool {
        matches!(self.problem, TokenProblem::Planted(_))
    }

    /// Returns the description of the problem, with the path of the file.
    pub(crate) fn what(&self) -> String {
        format!("web identity token file {}: {}", self.path.display(), self.problem)
    }

    /// Returns the remedy, in the imperative.
    pub(crate) fn help(&self) -> &'static str {
        match &self.problem {
            TokenProblem::Missing => {
                "mount a projected serviceAccountToken volume there, or set its path with --web-identity-token-file"
            }
            TokenProblem::PermissionDenied { .. } => {
                "set fsGroup in the pod's securityContext and do not set the volume's defaultMode"
            }
            TokenProblem::Planted(_) => Planted::HELP,
            TokenProblem::NotRegular("a directory") => "set the path to the token file, not to its directory",
            TokenProblem::NotRegular(_) | TokenProblem::TooLarge | TokenProblem::NotText => {
                "set the path to the token file"
            }
            TokenProblem::Utf16 => "save it as UTF-8, or set the path to the token file that the kubelet projects",
            TokenProblem::Unreadable(_) => "check that the volume is mounted and readable",
            TokenProblem::Empty => {
                "the kubelet writes the token: check the pod's events, and do not mount the volume by subPath"
            }
            TokenProblem::Malformed(_) => "set the path to the token file that the kubelet projects",
            TokenProblem::Expired { .. } => {
                "the kubelet renews the token: mount the directory rather than a subPath, and check the node's clock"
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
            Self::Planted(planted) => write!(f, "{planted}"),
            Self::NotRegular(kind) => write!(f, "{kind}, not a regular file"),
            Self::TooLarge => write!(f, "longer than {MAX_LENGTH} characters, the limit of STS"),
            Self::NotText => f.write_str("not valid UTF-8"),
            Self::Utf16 => f.write_str("UTF-16 text, as PowerShell writes it"),
            Self::Unreadable(kind) => write!(f, "{kind}"),
            Self::Empty => f.write_str("empty"),
            Self::Malformed(reason) => write!(f, "not a JSON Web Token: {reason}"),
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
    fn surrounding_white_space_is_trimmed() {
        let text = token(r#"{"sub":"system:serviceaccount:shop:checkout"}"#);
        assert_eq!(read(&format!("\n {text} \r\n")).expect("read").expose(), text);
    }

    #[test]
    fn a_token_is_refused_from_its_expiry_on() {
        let file = TokenFile::new("/token");
        let token = WebIdentityToken::parse(&token(r#"{"exp":1000,"aud":"one"}"#)).expect("parsed");
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(file.refuse_expired(&token, at(999)).is_ok());
        assert!(
            file.refuse_expired(&token, at(1000)).expect_err("expired").to_string().contains("1970-01-01T00:16:40Z")
        );
    }

    /// The claims by position instead of by name.
    const ARRAY: &str = r#"["issuer", "subject", [], 1000, 0, null]"#;

    #[test]
    fn errors_name_the_file_but_never_show_its_content() {
        for content in [
            "",
            "  \n",
            "opaque-secret",
            "a.b",
            "a.!!!.c",
            "a.c2VjcmV0.c",
            &token("[1]"),
            &token(ARRAY),
            &"x".repeat(20_001),
        ] {
            let error = read(content).expect_err(content).to_string();
            assert!(error.contains("/token: ") && !error.contains("secret"), "{error}");
        }
        let directory = tempfile::tempdir().expect("a scratch directory");
        for path in [directory.path().to_path_buf(), directory.path().join("absent")] {
            assert!(TokenFile::new(path).read().is_err());
        }
    }
}
