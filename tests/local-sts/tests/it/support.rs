//! A minimal HTTP/1.1 client and Signature Version 4 signer for these tests.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use local_sts::{Claims, LocalSts, PolicyDocument, World};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

pub(crate) const ROLE_A: &str = "arn:aws:iam::111111111111:role/account-a-role";
pub(crate) const ROLE_B: &str = "arn:aws:iam::222222222222:role/account-b-role";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// A response of the server.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Response {
    /// Returns the text of the first XML element with this name.
    pub(crate) fn element(&self, name: &str) -> Option<String> {
        let (_, rest) = self.body.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once(&format!("</{name}>"))?;
        Some(text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&"))
    }

    #[track_caller]
    pub(crate) fn expect(&self, name: &str) -> String {
        self.element(name).unwrap_or_else(|| panic!("no element {name} in {}", self.body))
    }

    /// Asserts the error code, the HTTP status and that the message contains this text.
    #[track_caller]
    pub(crate) fn expect_error(&self, code: &str, status: u16, message: &str) {
        assert_eq!((self.expect("Code").as_str(), self.status), (code, status), "{}", self.body);
        let found = self.expect("Message");
        assert!(found.contains(message), "{found:?} does not contain {message:?}");
    }

    /// Asserts success and returns the credentials in the response.
    #[track_caller]
    pub(crate) fn expect_credentials(&self) -> Credentials {
        assert_eq!(self.status, 200, "{}", self.body);
        Credentials {
            id: self.expect("AccessKeyId"),
            secret: self.expect("SecretAccessKey"),
            token: Some(self.expect("SessionToken")),
        }
    }
}

/// Credentials to sign with.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) token: Option<String>,
}

impl Credentials {
    /// Returns the static keys of the user in the built-in world.
    pub(crate) fn of_base_user() -> Self {
        Self {
            id: "AKIALOCALSTSBASEUSER".to_owned(),
            secret: "local/sts+base/user+SECRET+not/a/real/ke".to_owned(),
            token: None,
        }
    }
}

/// Sends a request on a new connection and returns all bytes that the server sends until it closes the connection.
pub(crate) fn send_raw(
    url: &str,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> io::Result<Vec<u8>> {
    let address = url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = format!(
        "{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{request}\r\n{body}").as_bytes())?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response)?;
    Ok(response)
}

pub(crate) fn request(url: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Response {
    parse(&send_raw(url, method, target, headers, body).expect("response"))
}

pub(crate) fn parse(response: &[u8]) -> Response {
    let text = String::from_utf8_lossy(response);
    let (head, body) = text.split_once("\r\n\r\n").expect("response head");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    Response {
        status: status.expect("status"),
        headers: lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect(),
        body: body.to_owned(),
    }
}

pub(crate) fn form(action: &str, parameters: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", action).append_pair("Version", "2011-06-15").extend_pairs(parameters);
    form.finish()
}

/// Sends an unsigned request.
pub(crate) fn post(url: &str, action: &str, parameters: &[(&str, &str)]) -> Response {
    request(url, "POST", "/", &[("content-type", FORM)], &form(action, parameters))
}

/// Sends a signed request.
pub(crate) fn signed(url: &str, credentials: &Credentials, action: &str, parameters: &[(&str, &str)]) -> Response {
    let body = form(action, parameters);
    let headers = sign(url, credentials, &body);
    let mut headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    headers.push(("content-type", FORM));
    request(url, "POST", "/", &headers, &body)
}

pub(crate) fn sign(url: &str, credentials: &Credentials, body: &str) -> Vec<(&'static str, String)> {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = OffsetDateTime::from_unix_timestamp(since_epoch.as_secs() as i64).expect("date");
    let date = format!("{:04}{:02}{:02}", now.year(), u8::from(now.month()), now.day());
    let timestamp = format!("{date}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second());
    let mut headers = vec![("host", url.trim_start_matches("http://").to_owned()), ("x-amz-date", timestamp.clone())];
    headers.extend(credentials.token.clone().map(|token| ("x-amz-security-token", token)));
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", hex(&Sha256::digest(body.as_bytes())));
    let scope = format!("{date}/us-east-1/sts/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{timestamp}\n{scope}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = scope.split('/').fold(format!("AWS4{}", credentials.secret).into_bytes(), |key, part| hmac(&key, part));
    let signature = hex(&hmac(&key, &to_sign));
    headers.remove(0);
    headers.push((
        "authorization",
        format!("AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}", credentials.id),
    ));
    headers
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn start() -> LocalSts {
    LocalSts::start(World::two_accounts()).expect("server starts")
}

pub(crate) fn policy(value: Value) -> PolicyDocument {
    value.to_string().parse().expect("valid policy")
}

/// Replaces the trust policy of `account-b-role` with one statement: that of the built-in world with these changes.
pub(crate) fn set_trust_of_role_b(sts: &LocalSts, changes: Value) {
    let mut statement = json!({"Effect": "Allow", "Principal": {"AWS": ROLE_A}, "Action": "sts:AssumeRole"});
    for (key, value) in changes.as_object().expect("object") {
        statement[key] = value.clone();
    }
    sts.edit_role(ROLE_B, |role| role.trust = policy(json!({"Statement": statement}))).expect("valid world");
}

pub(crate) fn web_identity(sts: &LocalSts, claims: &Claims, others: &[(&str, &str)]) -> Response {
    with_token(sts, &sts.mint(claims), others)
}

/// Sends AssumeRoleWithWebIdentity for role A. `others` adds parameters or replaces the default ones.
pub(crate) fn with_token(sts: &LocalSts, token: &str, others: &[(&str, &str)]) -> Response {
    let defaults = [("RoleArn", ROLE_A), ("RoleSessionName", "web"), ("WebIdentityToken", token)];
    post(&sts.url(), "AssumeRoleWithWebIdentity", &merged(&defaults, others))
}

pub(crate) fn role_a_credentials(sts: &LocalSts) -> Credentials {
    web_identity(sts, &Claims::default(), &[]).expect_credentials()
}

pub(crate) fn assume_role(sts: &LocalSts, credentials: &Credentials, others: &[(&str, &str)]) -> Response {
    let defaults = [("RoleArn", ROLE_B), ("RoleSessionName", "hop")];
    signed(&sts.url(), credentials, "AssumeRole", &merged(&defaults, others))
}

fn merged<'a>(defaults: &[(&'a str, &'a str)], others: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let replaced = |name: &str| others.iter().any(|(other, _)| *other == name);
    defaults.iter().filter(|(name, _)| !replaced(name)).chain(others).copied().collect()
}
