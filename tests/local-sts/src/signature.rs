//! Signature Version 4, from the verifier's side.
//!
//! Written from the specification and not with the crate credvend signs with, so a mistake there shows here.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderMap;
use sha2::{Digest, Sha256};

use crate::clock;
use crate::error::StsError;
use crate::random::hex;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const SERVICE: &str = "sts";
const TERMINATOR: &str = "aws4_request";
const ALLOWED_SKEW: i64 = 15 * 60;

/// The parts of a request a signature covers. The path is always `/` and the query always empty: STS has one path, and
/// this server refuses queries before it looks at signatures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedContent<'a> {
    pub(crate) method: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// A signature as the request presents it: well-formed and of this hour, not yet known to be right.
#[derive(Debug)]
pub(crate) struct PresentedSignature {
    pub(crate) access_key_id: String,
    /// `X-Amz-Security-Token`.
    pub(crate) session_token: Option<String>,
    date: String,
    region: String,
    timestamp: String,
    signed_headers: Vec<String>,
    signature: String,
}

impl PresentedSignature {
    /// Reads the `Authorization` header and checks what can be checked without the key.
    pub(crate) fn read(headers: &HeaderMap, now: i64, only_region: Option<&str>) -> Result<Self, StsError> {
        let Some(authorization) = header(headers, "authorization") else {
            return Err(StsError::new("MissingAuthenticationToken", 403, "Request is missing Authentication Token"));
        };
        let Some(fields) = authorization.strip_prefix(ALGORITHM).filter(|rest| rest.starts_with(' ')) else {
            return Err(StsError::incomplete_signature(
                "Authorization header requires the AWS4-HMAC-SHA256 algorithm.",
            ));
        };
        let field = |name: &str| {
            let found = fields.split(',').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
            found.ok_or_else(|| {
                StsError::incomplete_signature(format!("Authorization header requires '{name}' parameter."))
            })
        };
        let scope: Vec<&str> = field("Credential")?.split('/').collect();
        let &[access_key_id, date, region, service, terminator] = scope.as_slice() else {
            return Err(StsError::incomplete_signature(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term",
            ));
        };
        let Some(timestamp) = header(headers, "x-amz-date") else {
            return Err(StsError::incomplete_signature(
                "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.",
            ));
        };
        let presented = Self {
            access_key_id: access_key_id.to_owned(),
            session_token: header(headers, "x-amz-security-token"),
            date: date.to_owned(),
            region: region.to_owned(),
            timestamp,
            signed_headers: field("SignedHeaders")?.split(';').map(str::to_owned).collect(),
            signature: field("Signature")?.to_owned(),
        };
        presented.check_signed_headers(headers)?;
        presented.check_scope(service, terminator, only_region)?;
        presented.check_time(now)?;
        Ok(presented)
    }

    /// Whether the signature is the one this secret makes for this content.
    pub(crate) fn is_made_with(&self, secret: &str, content: SignedContent<'_>) -> Result<(), StsError> {
        let wrong = || {
            StsError::signature(
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            )
        };
        let payload_hash = hex(&Sha256::digest(content.body));
        if header(content.headers, "x-amz-content-sha256").is_some_and(|declared| declared != payload_hash) {
            return Err(wrong());
        }
        let canonical_request = self.canonical_request(content, &payload_hash);
        let string_to_sign = format!(
            "{ALGORITHM}\n{}\n{}/{}/{SERVICE}/{TERMINATOR}\n{}",
            self.timestamp,
            self.date,
            self.region,
            hex(&Sha256::digest(canonical_request.as_bytes()))
        );
        let mut key = hmac(format!("AWS4{secret}").as_bytes(), &self.date);
        for part in [&self.region, SERVICE, TERMINATOR] {
            key = hmac(&key, part);
        }
        if hex(&hmac(&key, &string_to_sign)) == self.signature { Ok(()) } else { Err(wrong()) }
    }

    fn canonical_request(&self, content: SignedContent<'_>, payload_hash: &str) -> String {
        let headers: String = self
            .signed_headers
            .iter()
            .map(|name| format!("{name}:{}\n", header(content.headers, name).unwrap_or_default()))
            .collect();
        format!("{}\n/\n\n{headers}\n{}\n{payload_hash}", content.method, self.signed_headers.join(";"))
    }

    fn check_signed_headers(&self, headers: &HeaderMap) -> Result<(), StsError> {
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        if !is_signed("host") {
            return Err(StsError::signature(
                "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
            ));
        }
        if let Some(unsigned) =
            headers.keys().find(|name| name.as_str().starts_with("x-amz-") && !is_signed(name.as_str()))
        {
            return Err(StsError::signature(format!(
                "'{unsigned}' must be a 'SignedHeader' in the AWS Authorization."
            )));
        }
        if let Some(absent) = self.signed_headers.iter().find(|name| !headers.contains_key(name.as_str())) {
            return Err(StsError::signature(format!("The signed header '{absent}' is not in the request.")));
        }
        if !self.signed_headers.is_sorted() || self.signed_headers.iter().any(|name| *name != name.to_ascii_lowercase())
        {
            return Err(StsError::signature("SignedHeaders must be lower-case and in order."));
        }
        Ok(())
    }

    fn check_scope(&self, service: &str, terminator: &str, only_region: Option<&str>) -> Result<(), StsError> {
        let region_fits = match only_region {
            Some(only) => self.region == only,
            None => looks_like_a_region(&self.region),
        };
        if !region_fits {
            return Err(StsError::signature("Credential should be scoped to a valid region. "));
        }
        if service != SERVICE {
            return Err(StsError::signature(format!("Credential should be scoped to correct service: '{SERVICE}'. ")));
        }
        if terminator != TERMINATOR {
            return Err(StsError::signature(format!(
                "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
            )));
        }
        Ok(())
    }

    fn check_time(&self, now: i64) -> Result<(), StsError> {
        let Some(signed_at) = clock::from_compact(&self.timestamp) else {
            return Err(StsError::incomplete_signature(
                "Date must be in ISO-8601 'basic format'. Got a date in another format. See http://en.wikipedia.org/wiki/ISO_8601",
            ));
        };
        let day = &self.timestamp[..8];
        if self.date != day {
            return Err(StsError::signature(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{}' != '{day}', from '{}'.",
                self.date, self.timestamp
            )));
        }
        let (earliest, latest) = (now - ALLOWED_SKEW, now + ALLOWED_SKEW);
        if signed_at < earliest {
            return Err(StsError::signature(format!(
                "Signature expired: {} is now earlier than {} ({} - 15 min.)",
                self.timestamp,
                clock::compact(earliest),
                clock::compact(now)
            )));
        }
        if signed_at > latest {
            return Err(StsError::signature(format!(
                "Signature not yet current: {} is still later than {} ({} + 15 min.)",
                self.timestamp,
                clock::compact(latest),
                clock::compact(now)
            )));
        }
        Ok(())
    }
}

/// `us-east-1`, `us-gov-west-1`, `eusc-de-east-1`: words and a number.
fn looks_like_a_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The header's values as they are signed: trimmed, inner blanks made one, several joined by commas.
fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests;
