//! Verification of Signature Version 4.
//!
//! It follows the specification and does not use the crate that credvend signs with, so that errors in that crate are
//! detected.
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

/// The parts of a request that a signature covers. The path is always `/` and the query is always empty, because this
/// server refuses other requests before it verifies signatures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignedContent<'a> {
    pub(crate) method: &'a str,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a [u8],
}

/// The signature of a request: well-formed and within the allowed clock skew, but not verified yet.
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
    /// Parses the `Authorization` header and checks everything that does not need the secret key.
    ///
    /// The credential scope must be in `required_region`, or in any region if that is `None`.
    pub(crate) fn read(headers: &HeaderMap, now: i64, required_region: Option<&str>) -> Result<Self, StsError> {
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
        presented.check_scope(service, terminator, required_region)?;
        presented.check_time(now)?;
        Ok(presented)
    }

    /// Verifies the signature of this content with the secret key.
    pub(crate) fn verify(&self, secret: &str, content: SignedContent<'_>) -> Result<(), StsError> {
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

    fn check_scope(&self, service: &str, terminator: &str, required_region: Option<&str>) -> Result<(), StsError> {
        let is_valid_region = match required_region {
            Some(required) => self.region == required,
            None => has_region_format(&self.region),
        };
        if !is_valid_region {
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
        let Some(signed_at) = clock::parse_amz_date(&self.timestamp) else {
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
                clock::amz_date(earliest),
                clock::amz_date(now)
            )));
        }
        if signed_at > latest {
            return Err(StsError::signature(format!(
                "Signature not yet current: {} is still later than {} ({} + 15 min.)",
                self.timestamp,
                clock::amz_date(latest),
                clock::amz_date(now)
            )));
        }
        Ok(())
    }
}

/// Returns true for text like `us-east-1`, `us-gov-west-1` or `eusc-de-east-1`: two or more words and a number.
fn has_region_format(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    words.len() >= 2
        && words.iter().all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns a header's canonical value: trimmed, with single spaces, and multiple values joined by commas.
fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<String> = headers
        .get_all(name)
        .iter()
        .map(|value| String::from_utf8_lossy(value.as_bytes()).split_ascii_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    (!values.is_empty()).then(|| values.join(","))
}

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC accepts keys of any length");
    mac.update(message.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests;
