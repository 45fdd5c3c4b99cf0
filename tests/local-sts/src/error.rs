//! STS errors: the code, HTTP status and message that a client receives.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>

use crate::xml::{self, Element};

/// An error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StsError {
    pub(crate) code: String,
    pub(crate) status: u16,
    pub(crate) message: String,
}

impl StsError {
    pub(crate) fn new(code: impl Into<String>, status: u16, message: impl Into<String>) -> Self {
        Self { code: code.into(), status, message: message.into() }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", 400, message)
    }

    pub(crate) fn invalid_identity_token(message: impl Into<String>) -> Self {
        Self::new("InvalidIdentityToken", 400, message)
    }

    pub(crate) fn verification_key() -> Self {
        // The two spaces are in AWS's own message.
        Self::invalid_identity_token(
            "Couldn't retrieve verification key from your identity provider,  \
             please reference AssumeRoleWithWebIdentity documentation for requirements",
        )
    }

    pub(crate) fn not_a_jwt() -> Self {
        Self::invalid_identity_token(
            "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
        )
    }

    pub(crate) fn access_denied(message: impl Into<String>) -> Self {
        Self::new("AccessDenied", 403, message)
    }

    pub(crate) fn signature(message: impl Into<String>) -> Self {
        Self::new("SignatureDoesNotMatch", 403, message)
    }

    pub(crate) fn incomplete_signature(message: impl Into<String>) -> Self {
        Self::new("IncompleteSignature", 400, message)
    }

    pub(crate) fn unknown_key() -> Self {
        Self::new("InvalidClientTokenId", 403, "The security token included in the request is invalid.")
    }

    pub(crate) fn expired_session() -> Self {
        Self::new("ExpiredToken", 403, "The security token included in the request is expired")
    }

    pub(crate) fn throttling() -> Self {
        Self::new("Throttling", 400, "Rate exceeded")
    }

    pub(crate) fn to_xml(&self, request_id: &str) -> String {
        let fault_type = if self.status >= 500 { "Receiver" } else { "Sender" };
        let error = vec![
            Element::text("Type", fault_type),
            Element::text("Code", &self.code),
            Element::text("Message", &self.message),
        ];
        xml::document("ErrorResponse", &[Element::parent("Error", error), Element::text("RequestId", request_id)])
    }
}
