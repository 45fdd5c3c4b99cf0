//! The container credentials endpoint, as an SDK sees it: its URL, its host and its authorization token.

use super::{
    Candidate, Note, Source, Surroundings,
    host::{self, is_loopback},
    proxy,
    sdks::{Quirks, Sdk},
};

const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The host of a relative URI.
const AGENT: &str = "169.254.170.2";
/// Hosts of container agents. SDKs accept them with plain HTTP.
const AGENTS: [&str; 3] = [AGENT, "169.254.170.23", "fd00:ec2::23"];
/// The path of credvend's endpoint.
const PATH: &str = "/v1/credentials";
/// Part of the path of the token that EKS mounts for its Pod Identity agent, whose URL looks like credvend's.
const POD_IDENTITY: &str = "pods.eks.amazonaws.com";

/// Returns the endpoint that `sdk` uses, if one is configured, and remarks.
pub(super) fn container(sdk: &Sdk, surroundings: &Surroundings<'_>) -> (Option<Candidate>, Vec<Note>) {
    let full = surroundings.raw(FULL_URI).filter(|uri| !uri.is_empty() || sdk.has(Quirks::EMPTY_FULL_URI));
    let relative = surroundings.raw(RELATIVE_URI).filter(|uri| !uri.is_empty() || sdk.has(Quirks::EMPTY_RELATIVE_URI));
    let token_file = surroundings.variable(TOKEN_FILE);
    let mut notes = Vec::new();
    if relative.is_some() && full.is_some() {
        notes.push(Note::new(format!("both {RELATIVE_URI} and {FULL_URI} are set"), "set only one of them"));
    }
    let is_full_first = sdk.has(Quirks::FULL_URI_FIRST) && full.is_some();
    let (origin, url) = match (relative, full) {
        (Some(path), _) if !is_full_first => (RELATIVE_URI, format!("http://{AGENT}{path}")),
        (_, Some(_)) if sdk.has(Quirks::NO_FULL_URI) => {
            notes.push(Note::new(
                format!("{FULL_URI} is not supported"),
                "listen on 169.254.170.2:80 and set AWS_CONTAINER_CREDENTIALS_RELATIVE_URI instead",
            ));
            return (None, notes);
        }
        (_, Some(_)) if sdk.has(Quirks::TOKEN_FILE_REQUIRED) && token_file.is_none() => {
            notes.push(Note::new(format!("{FULL_URI} is ignored without {TOKEN_FILE}"), "set the token file"));
            return (None, notes);
        }
        (_, Some(url)) => (FULL_URI, url),
        (_, None) => return (None, notes),
    };
    let host = host::of_url(&url);
    let is_pod_identity = token_file.as_ref().is_some_and(|path| path.contains(POD_IDENTITY));
    let is_ours = host.as_ref().is_some_and(|host| is_loopback(host) || is_agent(host));
    let fault = match &host {
        None => Some(Note::new(
            format!("{origin} is not a URL or path"),
            "set a URL such as http://127.0.0.1:9911/v1/credentials",
        )),
        _ if url.ends_with(AGENT) => Some(Note::new(format!("{origin} is empty"), "unset it")),
        Some(host) => refused_host(sdk, origin, &url, host, token_file.is_some())
            .or_else(|| bad_token(sdk, surroundings, origin, token_file.as_deref()))
            .or_else(|| proxy::fault(sdk, surroundings, host).filter(|_| sdk.has(Quirks::PROXY))),
    };
    let candidate = Candidate {
        source: Source::Container,
        origin: origin.to_owned(),
        role_arn: None,
        is_credvend: is_ours && !is_pod_identity && url.contains(PATH),
        fault,
        skips_profile: false,
    };
    (Some(candidate), notes)
}

fn is_agent(host: &str) -> bool {
    AGENTS.contains(&host)
}

/// Returns a note if the SDK does not accept the host.
fn refused_host(sdk: &Sdk, origin: &str, url: &str, host: &str, has_token_file: bool) -> Option<Note> {
    let is_narrow = sdk.has(Quirks::NARROW_LOOPBACK) && host.starts_with("127.") && !host.starts_with("127.0.0.");
    let is_accepted = match () {
        () if sdk.has(Quirks::ANY_HOST) || origin == RELATIVE_URI => true,
        () if sdk.has(Quirks::ANY_HOST_WITH_TOKEN_FILE) && has_token_file => true,
        () if sdk.has(Quirks::LOOPBACK_ONLY) => is_loopback(host),
        () => url.starts_with("https:") || is_loopback(host) && !is_narrow || is_agent(host),
    };
    (!is_accepted).then(|| {
        Note::new(format!("{origin}: the host {host} is not accepted"), "use http://127.0.0.1:PORT/v1/credentials")
    })
}

/// Returns a note if the SDK cannot send the authorization token.
fn bad_token(sdk: &Sdk, surroundings: &Surroundings<'_>, uri: &str, file: Option<&str>) -> Option<Note> {
    if sdk.has(Quirks::TOKEN_IGNORED) {
        return None;
    }
    let is_relative = uri == RELATIVE_URI;
    let sends_no_token = is_relative && sdk.has(Quirks::TOKEN_NEEDS_FULL_URI);
    let sends_no_file = is_relative && sdk.has(Quirks::TOKEN_FILE_NEEDS_FULL_URI);
    let variable = surroundings.raw(TOKEN).filter(|token| !token.is_empty());
    let has_line_break = |token: &[u8], trimmed: bool| {
        let token = if trimmed || sdk.has(Quirks::TOKEN_TRIMMED) { token.trim_ascii() } else { token };
        token.iter().any(|byte| matches!(byte, b'\r' | b'\n'))
    };
    let fault = |origin: &str, what: String, help| Some(Note::new(format!("{origin}: {what}"), help));
    match (file, variable) {
        (None, None) => None,
        (file, variable) if sends_no_token || sends_no_file && variable.is_none() => fault(
            if file.is_some() { TOKEN_FILE } else { TOKEN },
            format!("the token is not sent with {RELATIVE_URI}"),
            "set AWS_CONTAINER_CREDENTIALS_FULL_URI instead, or make the token optional (--auth-token-optional)",
        ),
        (_, Some(token)) if file.is_none() || sends_no_file || sdk.has(Quirks::TOKEN_BEFORE_FILE) => {
            has_line_break(token.as_bytes(), sdk.has(Quirks::TOKEN_VARIABLE_TRIMMED))
                .then(|| Note::new(format!("{TOKEN} contains a line break"), "remove it"))
        }
        (Some(path), _) => match surroundings.read(path) {
            Err(error) => fault(
                TOKEN_FILE,
                format!("cannot read {path}: {error}"),
                "mount the file, readable for this user (--file-mode, fsGroup)",
            ),
            Ok(token) if has_line_break(&token, false) => fault(
                TOKEN_FILE,
                format!("{path} contains a line break"),
                "write the token without a newline (printf %s)",
            ),
            Ok(_) => None,
        },
        _ => None,
    }
}
