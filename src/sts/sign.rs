//! Signs a form with Signature Version 4, using the signer of the AWS SDK for Rust.
//! [Signature Version 4](https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html).

use std::time::SystemTime;

use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use http::HeaderMap;

use super::{Endpoint, request::Form, transport::FORM_CONTENT_TYPE};
use crate::{credentials::Credentials, http::client::secret_header};

/// Returns the headers that sign `form` for `endpoint`, or `None` if the signer rejects the request. `time` is the time by STS's
/// clock.
pub(super) fn headers(endpoint: &Endpoint, form: &Form, signer: &Credentials, time: SystemTime) -> Option<HeaderMap> {
    let session_token = Some(signer.expose_session_token()).filter(|token| !token.is_empty());
    let identity = aws_credential_types::Credentials::new(
        signer.access_key_id(),
        signer.expose_secret_access_key(),
        session_token.map(str::to_owned),
        None,
        "credvend",
    )
    .into();
    let signed = v4::SigningParams::builder()
        .identity(&identity)
        .region(&endpoint.signing_region)
        .name("sts")
        .time(time)
        .settings(SigningSettings::default())
        .build()
        .ok()
        .zip(
            SignableRequest::new(
                "POST",
                endpoint.url.as_str(),
                [("content-type", FORM_CONTENT_TYPE)].into_iter(),
                SignableBody::Bytes(form.as_bytes()),
            )
            .ok(),
        )
        .and_then(|(parameters, request)| sign(request, &parameters.into()).ok());
    let (instructions, _signature) = signed?.into_parts();
    instructions.headers().map(|(name, value)| Some((name.parse().ok()?, secret_header(value).ok()?))).collect()
}
