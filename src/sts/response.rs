//! Parses the XML responses of STS: credentials, a caller identity or an error.
//!
//! A response is accepted only if it matches the request: it must have the action's root element, all fields of the
//! credentials with plausible values and an expiry in the near future.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use quick_xml::{de::from_str, events::Event};
use secrecy::SecretString;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{Action, Endpoint, StsError, refusal::Refusal, transport::Received};
use crate::{
    arn::RoleArn,
    credentials::{Credentials, Expiry, Field},
    scrubber::Scrubber,
};

/// Maximum time from an exchange to the expiry of its credentials. AWS issues sessions of up to 12 hours; the rest is for
/// clocks that differ and for other implementations of STS.
const MAX_LIFETIME: Duration = Duration::from_secs(36 * 3600);

/// The result of an exchange.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) credentials: Credentials,
    pub(crate) expiry: Expiry,
    /// STS's time at the exchange: the `Date` of the response, or the estimate of `StsClock` if that is later.
    pub(crate) issued_at: SystemTime,
    pub(crate) request_id: Option<String>,
    /// Percentage of the packed size limit that the session policies and tags use.
    pub(crate) packed_policy_size: Option<u32>,
}

/// The identity that STS returns for a caller.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CallerIdentity {
    /// ARN of a user or of an assumed-role session.
    pub(crate) arn: String,
    pub(crate) request_id: Option<String>,
}

/// A success response whose body is not parsed yet.
pub(super) struct StsResponse {
    pub(super) date: Option<SystemTime>,
    request_id: Option<String>,
    body: Zeroizing<Vec<u8>>,
}

impl StsResponse {
    /// Classifies an HTTP response as a success response, an STS error response or neither.
    pub(super) fn from_http(
        received: Received,
        endpoint: &Endpoint,
        action: Action,
        scrubber: &Scrubber<'_>,
    ) -> Result<Self, StsError> {
        // The check for UTF-8 alone is an order of magnitude faster.
        let text =
            str::from_utf8(&received.body).map_or_else(|_| String::from_utf8_lossy(&received.body), Cow::Borrowed);
        if received.status == 200 {
            // The `Date` of a page that a proxy returned is not STS's time.
            let date = received.date.filter(|_| root_element(&text).is_some_and(|root| root.ends_with("Response")));
            return Ok(Self { date, request_id: received.request_id, body: received.body });
        }
        let document = (root_element(&text) == Some("ErrorResponse")).then(|| from_str::<ErrorResponse>(&text).ok());
        let Some(document) = document.flatten() else {
            return Err(StsError::not_from_sts(endpoint, received.status, received.retry_after));
        };
        Err(StsError::Refused(Refusal {
            action,
            status: received.status,
            code: scrubber.clean(&document.error.code),
            message: scrubber.clean(&document.error.message),
            request_id: received.request_id.or(document.request_id).map(|id| scrubber.clean(&id)),
            date: received.date,
            retry_after: received.retry_after,
        }))
    }

    /// Parses the credentials for `role_arn` from a response to `action`.
    pub(super) fn issued(self, action: Action, role_arn: &RoleArn, now: SystemTime) -> Result<Issued, String> {
        let expected = format!("{}Response", action.as_str());
        let document: ActionResponse = self.document(&expected)?;
        let result = document.result;
        let CredentialsElement { access_key_id, secret_access_key, session_token, expiration } = result.credentials;
        for (field, value) in [
            (Field::ACCESS_KEY_ID, &access_key_id),
            (Field::SECRET_ACCESS_KEY, &*secret_access_key),
            (Field::SESSION_TOKEN, &*session_token),
        ] {
            field.check(value).map_err(|problem| format!("its {problem}"))?;
        }
        let expiry = Expiry::parse(&expiration).ok_or("its Expiration is not a date")?;
        if expiry.as_time() <= now {
            return Err(format!("its credentials already expired at {expiry}"));
        }
        if expiry.as_time() > now + MAX_LIFETIME {
            let hours = MAX_LIFETIME.as_secs() / 3600;
            return Err(format!("its Expiration {expiry} is more than {hours} hours after {}", Expiry::from(now)));
        }
        Ok(Issued {
            credentials: Credentials::of_role(
                access_key_id,
                SecretString::from(secret_access_key.as_str()),
                SecretString::from(session_token.as_str()),
                expiry,
                role_arn.clone(),
            ),
            expiry,
            issued_at: now,
            request_id: self.request_id.or(document.metadata.and_then(|metadata| metadata.request_id)),
            packed_policy_size: result.packed_policy_size,
        })
    }

    /// Parses the identity from a response to GetCallerIdentity.
    pub(super) fn caller_identity(self) -> Result<CallerIdentity, String> {
        let document: IdentityResponse = self.document("GetCallerIdentityResponse")?;
        let arn = document.result.arn;
        if arn.is_empty() || arn.contains(char::is_control) {
            return Err("its Arn is not an ARN".into());
        }
        Ok(CallerIdentity {
            arn,
            request_id: self.request_id.or(document.metadata.and_then(|metadata| metadata.request_id)),
        })
    }

    fn document<T: serde::de::DeserializeOwned>(&self, expected: &str) -> Result<T, String> {
        let text = std::str::from_utf8(&self.body).map_err(|_| "its body is not UTF-8")?;
        if root_element(text) != Some(expected) {
            return Err(format!("its root element is not {expected}"));
        }
        // The parser's error is dropped because it may contain parts of the document.
        from_str(text).map_err(|_| format!("its {expected} is incomplete"))
    }
}

/// Returns the local name of the document's root element.
fn root_element(text: &str) -> Option<&str> {
    let mut reader = quick_xml::Reader::from_str(text);
    loop {
        match reader.read_event() {
            Ok(Event::Start(start)) => {
                let name = start.local_name();
                // Borrow the name from the text, which outlives the event.
                let at = text.find(name.as_ref())?;
                return text.get(at..at + name.as_ref().len());
            }
            Ok(Event::Eof) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

#[derive(Deserialize)]
struct ActionResponse {
    #[serde(alias = "AssumeRoleWithWebIdentityResult", alias = "AssumeRoleResult")]
    result: ActionResult,
    #[serde(rename = "ResponseMetadata")]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct ActionResult {
    #[serde(rename = "Credentials")]
    credentials: CredentialsElement,
    #[serde(rename = "PackedPolicySize")]
    packed_policy_size: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CredentialsElement {
    access_key_id: String,
    secret_access_key: Zeroizing<String>,
    session_token: Zeroizing<String>,
    expiration: String,
}

#[derive(Deserialize)]
struct IdentityResponse {
    #[serde(rename = "GetCallerIdentityResult")]
    result: IdentityResult,
    #[serde(rename = "ResponseMetadata")]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct IdentityResult {
    #[serde(rename = "Arn")]
    arn: String,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "RequestId")]
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct ErrorResponse {
    #[serde(rename = "Error")]
    error: ErrorBody,
    #[serde(rename = "RequestId", alias = "RequestID")]
    request_id: Option<String>,
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(rename = "Code")]
    code: String,
    #[serde(rename = "Message", default)]
    message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "<?xml version=\"1.0\"?><AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">
        <AssumeRoleResult><Added/><Credentials><AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>a&amp;b</SecretAccessKey>
        <SessionToken>t</SessionToken><Expiration>2026-11-21T10:00:00Z</Expiration></Credentials>
        <PackedPolicySize>6</PackedPolicySize></AssumeRoleResult>
        <ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></AssumeRoleResponse>";

    fn issued(body: &str) -> Result<Issued, String> {
        let role = RoleArn::parse("arn:aws:iam::222222222222:role/b").expect("valid");
        let now = Expiry::parse("2026-11-21T09:00:00Z").expect("valid").as_time();
        StsResponse { date: None, request_id: None, body: body.as_bytes().to_vec().into() }.issued(
            Action::AssumeRole,
            &role,
            now,
        )
    }

    #[test]
    fn credentials_are_parsed_by_name_with_entities_decoded() {
        let issued = issued(GOOD).expect("good");
        assert_eq!(issued.credentials.expose_secret_access_key(), "a&b");
        assert_eq!((issued.request_id.as_deref(), issued.packed_policy_size), (Some("r-1"), Some(6)));
        assert_eq!(issued.expiry.as_time(), issued.issued_at + Duration::from_secs(3600));
    }

    #[test]
    fn a_session_of_36_hours_is_accepted() {
        assert!(issued(&GOOD.replace("2026-11-21T10:00:00Z", "2026-11-22T21:00:00Z")).is_ok());
    }

    #[test]
    fn an_identity_is_parsed_by_name() {
        let identity = |body: &str| {
            StsResponse { date: None, request_id: None, body: body.as_bytes().to_vec().into() }.caller_identity()
        };
        let arn = "arn:aws:sts::222222222222:assumed-role/b/shop-checkout";
        let good = format!(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><UserId>AROA:s</UserId><Account>222222222222</Account>\
             <Arn>{arn}</Arn></GetCallerIdentityResult><ResponseMetadata><RequestId>r-2</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>"
        );
        assert_eq!(identity(&good), Ok(CallerIdentity { arn: arn.into(), request_id: Some("r-2".into()) }));
        for (from, to) in [(arn, ""), ("<Arn>", "<Other>"), ("GetCallerIdentityResponse", "AssumeRoleResponse")] {
            assert!(identity(&good.replace(from, to)).is_err(), "{from} -> {to}");
        }
    }

    #[test]
    fn an_invalid_response_is_an_error() {
        for (from, to, reason) in [
            ("AssumeRoleRes", "AssumeRoleWithWebIdentityRes", "is not AssumeRoleResponse"),
            ("<Expiration>2026-11-21T10:00:00Z</Expiration>", "", "incomplete"),
            ("2026-11-21T10", "2026-11-21T09", "expired"),
            ("2026-11-21T10:00:00Z", "soon", "not a date"),
            ("2026-11-21T10:00:00Z", "2026-11-22T21:00:01Z", "is more than 36 hours after 2026-11-21T09:00:00Z"),
            ("2026-11-21T10:00:00Z", "9999-12-31T23:59:59Z", "is more than 36 hours after 2026-11-21T09:00:00Z"),
            ("ASIA1", "", "its AccessKeyId is empty"),
            ("ASIA1", "ASIA&#27;[2J", "its AccessKeyId contains a character that is not visible ASCII"),
            ("a&amp;b", "", "its SecretAccessKey is empty"),
            ("a&amp;b", "a&#10;b", "its SecretAccessKey contains a character that is not visible ASCII"),
            ("a&amp;b", "a b", "its SecretAccessKey contains a character that is not visible ASCII"),
            ("<SessionToken>t", "<SessionToken>", "its SessionToken is empty"),
            ("<SessionToken>t", "<SessionToken>t\u{202e}", "its SessionToken contains a character that is not visible"),
            ("<SessionToken>t", &format!("<SessionToken>{}", "t".repeat(16_385)), "has more than 16384 characters"),
            ("</AssumeRoleResponse>", "", "incomplete"),
            (GOOD, "<html>welcome</html>", "is not AssumeRoleResponse"),
            (GOOD, "", "is not AssumeRoleResponse"),
        ] {
            let error = issued(&GOOD.replace(from, to)).expect_err(reason);
            assert!(error.contains(reason), "{error:?} should contain {reason:?}");
        }
    }
}
