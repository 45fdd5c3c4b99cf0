//! The signatures in these tests were made with botocore, an independent implementation.

use hyper::header::{HeaderName, HeaderValue};

use super::*;

const NOON: i64 = 1_795_348_805; // 2026-11-22T12:00:05Z
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const BODY: &[u8] = b"Action=GetCallerIdentity&Version=2011-06-15";
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/eu-central-1/sts/aws4_request, \
    SignedHeaders=content-type;host;x-amz-custom;x-amz-date, \
    Signature=c482a725d0111b0d4c18a9c83653741f249afd0ba0850b57d3536a77777bc9db";
const AUTHORIZATION_WITH_TOKEN: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/eu-central-1/sts/aws4_request, \
    SignedHeaders=content-type;host;x-amz-custom;x-amz-date;x-amz-security-token, \
    Signature=e87a326c9f515258943ba1e570d10b159be6e41770c0c0c5689957a448f8a001";

fn headers(authorization: &str, others: &[(&'static str, &str)]) -> HeaderMap {
    let fixed = [
        ("host", "sts.eu-central-1.amazonaws.com"),
        ("content-type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("x-amz-custom", "  a   b  "),
        ("x-amz-date", "20261122T120005Z"),
        ("authorization", authorization),
    ];
    fixed
        .iter()
        .chain(others)
        .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a header value")))
        .collect()
}

fn verify(headers: &HeaderMap, body: &[u8], secret: &str) -> Result<(), StsError> {
    let presented = PresentedSignature::read(headers, NOON, None)?;
    presented.verify(secret, SignedContent { method: "POST", headers, body })
}

fn error_for(authorization: &str) -> StsError {
    verify(&headers(authorization, &[]), BODY, SECRET).expect_err(authorization)
}

#[test]
fn signatures_of_botocore_are_accepted() {
    assert_eq!(verify(&headers(AUTHORIZATION, &[]), BODY, SECRET), Ok(()));
    let with_token = headers(AUTHORIZATION_WITH_TOKEN, &[("x-amz-security-token", "IQoJb3JpZ2luX2Vj/token+value==")]);
    assert_eq!(verify(&with_token, BODY, SECRET), Ok(()));
    let presented = PresentedSignature::read(&with_token, NOON, None).expect("well-formed");
    assert_eq!(presented.access_key_id, "AKIDEXAMPLE");
    assert_eq!(presented.session_token.as_deref(), Some("IQoJb3JpZ2luX2Vj/token+value=="));
}

#[test]
fn a_signature_covers_key_body_method_and_headers() {
    let does_not_match = "The request signature we calculated does not match the signature you provided.";
    let good = headers(AUTHORIZATION, &[]);
    let other_host: HeaderMap = {
        let mut changed = good.clone();
        changed.insert("host", HeaderValue::from_static("sts.eu-west-1.amazonaws.com"));
        changed
    };
    let presented = PresentedSignature::read(&good, NOON, None).expect("well-formed");
    let by_get = presented.verify(SECRET, SignedContent { method: "GET", headers: &good, body: BODY });
    for result in [
        verify(&good, BODY, "another"),
        verify(&good, b"Action=AssumeRole&Version=2011-06-15", SECRET),
        verify(&other_host, BODY, SECRET),
        by_get,
        Err(error_for(&AUTHORIZATION.replace("c482", "c483"))),
        Err(error_for(&AUTHORIZATION.replace("eu-central-1", "eu-west-1"))),
    ] {
        let error = result.expect_err("the signature does not match");
        assert_eq!((error.code.as_str(), error.status), ("SignatureDoesNotMatch", 403));
        assert!(error.message.starts_with(does_not_match), "{}", error.message);
    }
}

#[test]
fn a_wrong_payload_hash_header_is_refused() {
    let authorization = AUTHORIZATION.replace("host;", "host;x-amz-content-sha256;");
    let wrong = headers(&authorization, &[("x-amz-content-sha256", "UNSIGNED-PAYLOAD")]);
    assert_eq!(verify(&wrong, BODY, SECRET).expect_err("not the hash").code, "SignatureDoesNotMatch");
}

#[test]
fn incomplete_authorization_headers_are_refused() {
    let unsigned = {
        let mut headers = headers(AUTHORIZATION, &[]);
        headers.remove("authorization");
        verify(&headers, BODY, SECRET).expect_err("no header")
    };
    assert_eq!((unsigned.code.as_str(), unsigned.status), ("MissingAuthenticationToken", 403));
    let undated = {
        let mut headers = headers(AUTHORIZATION, &[]);
        headers.remove("x-amz-date");
        verify(&headers, BODY, SECRET).expect_err("no date")
    };
    assert_eq!((undated.code.as_str(), undated.status), ("IncompleteSignature", 400));
    for (wrong, part) in [
        (AUTHORIZATION.replace("AWS4-HMAC-SHA256", "Basic"), "algorithm"),
        (AUTHORIZATION.replace("Credential=", "Cred="), "'Credential'"),
        (AUTHORIZATION.replace("SignedHeaders=", "Headers="), "'SignedHeaders'"),
        (AUTHORIZATION.replace("Signature=", "Sig="), "'Signature'"),
        (AUTHORIZATION.replace("/aws4_request", ""), "exactly 5 slash-delimited elements"),
    ] {
        let error = error_for(&wrong);
        assert_eq!((error.code.as_str(), error.status), ("IncompleteSignature", 400), "{wrong}");
        assert!(error.message.contains(part), "{}", error.message);
    }
}

#[test]
fn wrong_credential_scopes_are_refused() {
    for (wrong, part) in [
        (AUTHORIZATION.replace("/sts/", "/s3/"), "correct service: 'sts'"),
        (AUTHORIZATION.replace("aws4_request", "aws5_request"), "valid terminator: 'aws4_request', not 'aws5_request'"),
        (AUTHORIZATION.replace("eu-central-1", "EU"), "valid region"),
        (AUTHORIZATION.replace("/20261122/", "/20261121/"), "'20261121' != '20261122', from '20261122T120005Z'"),
    ] {
        let error = error_for(&wrong);
        assert_eq!(error.code, "SignatureDoesNotMatch");
        assert!(error.message.contains(part), "{}", error.message);
    }
    let other_region = PresentedSignature::read(&headers(AUTHORIZATION, &[]), NOON, Some("us-east-1"));
    assert_eq!(other_region.expect_err("wrong region").message, "Credential should be scoped to a valid region. ");
    assert!(PresentedSignature::read(&headers(AUTHORIZATION, &[]), NOON, Some("eu-central-1")).is_ok());
}

#[test]
fn host_and_every_x_amz_header_must_be_signed() {
    for (wrong, part) in [
        (AUTHORIZATION.replace("host;", ""), "'Host' or ':authority' must be a 'SignedHeader'"),
        (AUTHORIZATION.replace(";x-amz-date", ""), "'x-amz-date' must be a 'SignedHeader'"),
        (AUTHORIZATION.replace(";host", ";host;missing"), "'missing' is not in the request"),
        (AUTHORIZATION.replace("content-type;host", "host;content-type"), "in order"),
    ] {
        let error = error_for(&wrong);
        assert_eq!(error.code, "SignatureDoesNotMatch");
        assert!(error.message.contains(part), "{}", error.message);
    }
    let token_unsigned = headers(AUTHORIZATION, &[("x-amz-security-token", "token")]);
    let error = verify(&token_unsigned, BODY, SECRET).expect_err("the token is not signed");
    assert!(error.message.contains("'x-amz-security-token' must be a 'SignedHeader'"), "{}", error.message);
}

#[test]
fn fifteen_minutes_of_clock_skew_are_allowed() {
    let headers = headers(AUTHORIZATION, &[]);
    for skew in [-900, 0, 900] {
        assert!(PresentedSignature::read(&headers, NOON + skew, None).is_ok(), "{skew}");
    }
    let late = PresentedSignature::read(&headers, NOON + 901, None).expect_err("late");
    assert_eq!(
        late.message,
        "Signature expired: 20261122T120005Z is now earlier than 20261122T120006Z (20261122T121506Z - 15 min.)"
    );
    let early = PresentedSignature::read(&headers, NOON - 901, None).expect_err("early");
    assert_eq!(
        early.message,
        "Signature not yet current: 20261122T120005Z is still later than 20261122T120004Z (20261122T114504Z + 15 min.)"
    );
    assert_eq!((late.code.as_str(), early.status), ("SignatureDoesNotMatch", 403));
}

#[test]
fn regions_are_recognized_by_their_format() {
    for region in ["us-east-1", "ap-southeast-12", "us-gov-west-1", "eusc-de-east-1"] {
        assert!(has_region_format(region), "{region}");
    }
    for other in ["", "us", "us-1", "us-east", "us--1", "US-EAST-1", "us-east-1a", "*"] {
        assert!(!has_region_format(other), "{other}");
    }
}
