//! Entry points of the fuzz targets in `tests/fuzz`. Compiled only with `--cfg fuzzing`.
//!
//! The functions show secrets as text, so that a target can compare them. They check nothing: the invariants are in the targets.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use hyper::{
    Request,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};
use secrecy::ExposeSecret as _;

use crate::{
    arn::{ExternalId, Region, RoleArn, SessionDuration, SessionName, parse_duration},
    chain::base::credentials_document::{self, Dialect},
    clock::Moment,
    command,
    credentials::{Credentials, Expiry},
    http::{authorization::Authorization, guards},
    scrubber::Scrubber,
    settings::environment::Environment,
    shared_file::{self, ConfigParser, FileKind, SectionUpdate},
    sts::{self, Action, endpoint::EndpointSettings},
    token::WebIdentityToken,
};

/// The properties of each section. Lines of a value are joined by line breaks, nested properties too.
pub type Sections = BTreeMap<String, BTreeMap<String, String>>;

/// Credentials: access key ID, secret access key, session token and expiry.
pub type Keys = [String; 4];

/// Writes credentials into sections of a credentials file. Returns `None` if a name or value is refused, and an error if the file is.
pub fn update_file(existing: &[u8], profiles: &[&str], values: [&str; 3]) -> Option<Result<Vec<u8>, String>> {
    let [id, secret, token] = values;
    let updates = profiles.iter().map(|profile| SectionUpdate::new(profile, id, secret, token, "2026-11-21T10:00:00Z"));
    let updates: Vec<_> = updates.collect::<Result<_, _>>().ok()?;
    Some(shared_file::update_sections(existing, &updates).map(|file| file.to_vec()).map_err(|error| error.to_string()))
}

/// Reads a shared file as SDKs do.
///
/// # Errors
/// Returns a description of the first line that SDKs refuse.
pub fn read_file(is_config: bool, bytes: &[u8]) -> Result<Sections, String> {
    let kind = if is_config { FileKind::Config } else { FileKind::Credentials };
    let file = shared_file::read(kind, bytes).map_err(|error| error.to_string())?;
    let sections = file.profiles.iter().map(|section| {
        let properties = section.keys().map(|key| {
            let nested = section.nested(key).into_iter().flatten().map(|(name, value)| format!("\n{name}={value}"));
            (key.to_owned(), section.value(key).unwrap_or_default().to_owned() + &nested.collect::<String>())
        });
        (section.name.clone(), properties.collect())
    });
    Ok(sections.collect())
}

/// Reads a credentials file as botocore does. Returns `None` if botocore refuses it.
pub fn read_file_as_botocore(bytes: &[u8]) -> Option<Sections> {
    let file = ConfigParser::read(bytes).filter(ConfigParser::is_accepted_by_botocore)?;
    let ConfigParser { sections, defaults } = file;
    let sections = sections.into_iter().map(|(name, options)| {
        let options = defaults.iter().map(|(key, value)| (key.clone(), value.clone())).chain(options);
        (name.to_owned(), options.map(|(key, lines)| (key, lines.join("\n"))).collect())
    });
    Some(sections.collect())
}

/// Parses a response of STS to action 0 to 2: AssumeRoleWithWebIdentity, AssumeRole, GetCallerIdentity. `secret` is in the request.
/// Returns the credentials, or the caller's ARN in the first field.
///
/// # Errors
/// Returns the text of the error.
pub fn sts_response(action: u8, status: u16, body: &[u8], now: SystemTime, secret: &str) -> Result<Keys, String> {
    let actions = [Action::AssumeRoleWithWebIdentity, Action::AssumeRole, Action::GetCallerIdentity];
    let action = actions[usize::from(action) % actions.len()];
    let role_arn = RoleArn::parse("arn:aws:iam::111111111111:role/a").map_err(|error| error.to_string())?;
    match sts::parse_response((status, body), action, &role_arn, now, &Scrubber::new([secret])) {
        Ok(Ok(issued)) => Ok(keys(&issued.credentials)),
        Ok(Err(identity)) => Ok([identity.arn, String::new(), String::new(), String::new()]),
        Err(error) => {
            if let sts::StsError::Refused(refusal) = &error {
                let _ = (refusal.specific_cause(), refusal.recovery());
            }
            Err(error.to_string())
        }
    }
}

/// Parses a credentials document in dialect 0 to 2: process, container, instance metadata. `secret` is in the request.
///
/// # Errors
/// Returns the text of the error.
pub fn base_document(dialect: u8, bytes: &[u8], now: SystemTime, secret: &str) -> Result<Keys, String> {
    let dialects = [Dialect::Process, Dialect::Container, Dialect::InstanceMetadata];
    let dialect = dialects[usize::from(dialect) % dialects.len()];
    let credentials = credentials_document::read(dialect, bytes, Some(now), &Scrubber::new([secret]));
    credentials.map(|credentials| keys(&credentials)).map_err(|error| error.to_string())
}

fn keys(credentials: &Credentials) -> Keys {
    [
        credentials.access_key_id().to_owned(),
        credentials.expose_secret_access_key().to_owned(),
        credentials.expose_session_token().to_owned(),
        credentials.expiry().map(|expiry| expiry.to_string()).unwrap_or_default(),
    ]
}

/// The claims of a token, as credvend uses them.
#[derive(Debug)]
pub struct TokenClaims {
    /// The role session name.
    pub session_name: String,
    /// The expiry and the time of issue, as text.
    pub times: [Option<String>; 2],
    /// The parts of the subject.
    pub service_account: Option<(String, String)>,
    /// The claims `iss` and `sub`.
    pub issuer_and_subject: [String; 2],
    /// The claim `aud`.
    pub audience: Vec<String>,
}

/// Decodes a token.
///
/// # Errors
/// Returns the reason why it is malformed.
pub fn claims(token: &str) -> Result<TokenClaims, &'static str> {
    let token = WebIdentityToken::parse(token)?;
    let claims = token.claims();
    let text = |time: Option<SystemTime>| time.map(|time| Expiry::from(time).to_string());
    Ok(TokenClaims {
        session_name: claims.session_name().as_str().to_owned(),
        times: [text(claims.expiry()), text(claims.issued_at())],
        service_account: claims.service_account().map(|(namespace, name)| (namespace.to_owned(), name.to_owned())),
        issuer_and_subject: [claims.issuer.clone(), claims.subject.clone()],
        audience: claims.audience.as_slice().to_vec(),
    })
}

/// Parses a role ARN. Returns its text, partition, account ID, path and name.
///
/// # Errors
/// Returns the reason why it is invalid.
pub fn role_arn(text: &str) -> Result<[String; 5], String> {
    let arn = RoleArn::parse(text).map_err(|error| error.to_string())?;
    Ok([arn.as_str(), arn.partition(), arn.account_id(), arn.path(), arn.name()].map(str::to_owned))
}

/// Parses a role session name.
///
/// # Errors
/// Returns the reason why it is invalid.
pub fn session_name(text: &str) -> Result<String, String> {
    SessionName::parse(text).map(|name| name.as_str().to_owned()).map_err(|error| error.to_string())
}

/// Converts a text to a role session name.
pub fn mapped_session_name(text: &str) -> String {
    SessionName::mapped_from(text).as_str().to_owned()
}

/// Parses an external ID.
///
/// # Errors
/// Returns the reason why it is invalid.
pub fn external_id(text: &str) -> Result<String, String> {
    ExternalId::parse(text).map(|id| id.as_str().to_owned()).map_err(|error| error.to_string())
}

/// Parses a session duration, in seconds.
///
/// # Errors
/// Returns the reason why it is invalid.
pub fn session_duration(text: &str) -> Result<u32, String> {
    SessionDuration::parse(text).map(SessionDuration::as_secs).map_err(|error| error.to_string())
}

/// Parses any duration.
///
/// # Errors
/// Returns the reason why it is invalid.
pub fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|error| error.to_string())
}

/// Parses a date and formats it.
pub fn date(text: &str) -> Option<String> {
    Expiry::parse(text).map(|expiry| expiry.to_string())
}

/// Resolves the STS endpoint for a region: its URL and signing region. The lowest three bits of `variant` select FIPS, dual-stack and
/// the legacy global endpoint.
///
/// # Errors
/// Returns the reason why the region or the variant is invalid.
pub fn endpoint(region: &str, variant: u8) -> Result<[String; 2], String> {
    let region = Region::parse(region).map_err(|error| error.to_string())?;
    let has = |bit: u8| variant & bit != 0;
    let role_arn = RoleArn::parse("arn:aws:iam::111111111111:role/a").map_err(|error| error.to_string())?;
    let settings =
        EndpointSettings { region: Some(region), fips: has(1), dual_stack: has(2), legacy: has(4), url: None };
    let endpoint = settings.resolve(&role_arn).map_err(|error| error.to_string())?;
    Ok([endpoint.url, endpoint.signing_region])
}

/// Passes a request through the guards of the listeners. Returns the status of a refusal, or `None` if it is not an HTTP request.
pub fn guard(method: &str, target: &str, headers: &[(&str, &[u8])], address: SocketAddr) -> Option<Result<(), u16>> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).ok()?;
    Some(guards::check(&request, &address.into(), address).map_err(|rejection| rejection.status.as_u16()))
}

/// Generates an authorization token. Returns it, and whether a request is authorized whose Authorization headers `headers` builds
/// from the token.
pub fn authorize(headers: impl FnOnce(&str) -> Vec<Vec<u8>>) -> (String, bool) {
    let (authorization, token) = Authorization::private();
    let now = Moment { wall: SystemTime::UNIX_EPOCH, monotonic: Duration::ZERO };
    let values = headers(token.expose_secret()).into_iter().filter_map(|value| HeaderValue::try_from(value).ok());
    let headers: HeaderMap = values.map(|value| (AUTHORIZATION, value)).collect();
    (token.expose_secret().to_owned(), Arc::new(authorization).allows(&headers, Some("default"), now))
}

/// Parses a command line and its environment. Returns the debug output of the chains.
///
/// # Errors
/// Returns the exit code and the message.
pub fn configure(arguments: &[OsString], env: &dyn Environment) -> Result<String, (u8, String)> {
    command::configure(arguments, env)
}
