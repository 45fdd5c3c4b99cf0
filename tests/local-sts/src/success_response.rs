//! Success responses of STS and their XML.

use crate::action::Action;
use crate::clock;
use crate::session::{IssuedCredentials, Session};
use crate::xml::{self, Element};

/// The response to an action that succeeded.
#[derive(Clone, Debug)]
pub(crate) struct SuccessResponse {
    pub(crate) action: Action,
    credentials: Option<IssuedCredentials>,
    expiration: Option<i64>,
    elements: Vec<Element>,
}

impl SuccessResponse {
    /// Returns a response with the credentials of a role session.
    ///
    /// `packed_size` is the percentage of the space for policies and tags that the session uses. `others` are the
    /// elements that only this action returns.
    pub(crate) fn with_credentials(
        action: Action,
        credentials: IssuedCredentials,
        session: &Session,
        packed_size: Option<u64>,
        others: Vec<Element>,
    ) -> Self {
        let user = vec![Element::text("AssumedRoleId", session.id()), Element::text("Arn", session.arn())];
        let mut elements = vec![Element::parent("AssumedRoleUser", user)];
        elements.extend(packed_size.map(|percent| Element::text("PackedPolicySize", percent.to_string())));
        elements.extend(session.source_identity.as_ref().map(|identity| Element::text("SourceIdentity", identity)));
        elements.extend(others);
        Self { action, expiration: Some(credentials.expires_at), credentials: Some(credentials), elements }
    }

    pub(crate) fn caller_identity(arn: &str, user_id: &str, account: &str) -> Self {
        let elements =
            vec![Element::text("Arn", arn), Element::text("UserId", user_id), Element::text("Account", account)];
        Self { action: Action::GetCallerIdentity, credentials: None, expiration: None, elements }
    }

    /// Overrides the `Expiration` element without changing when the credentials expire; `None` leaves it out.
    pub(crate) fn set_expiration(&mut self, expiration: Option<i64>) {
        self.expiration = expiration;
    }

    /// Inserts a line break into the secret access key of the response.
    pub(crate) fn insert_line_break(&mut self) {
        if let Some(credentials) = &mut self.credentials {
            credentials.secret_access_key.insert(1, '\n');
        }
    }

    pub(crate) fn to_xml(&self, request_id: &str) -> String {
        let mut result = self.elements.clone();
        if let Some(credentials) = &self.credentials {
            let mut parts = vec![
                Element::text("AccessKeyId", &credentials.access_key_id),
                Element::text("SecretAccessKey", &credentials.secret_access_key),
                Element::text("SessionToken", &credentials.session_token),
            ];
            parts.extend(self.expiration.map(|at| Element::text("Expiration", clock::iso8601(at))));
            result.push(Element::parent("Credentials", parts));
        }
        let (root, inner) = self.action.response_elements();
        let metadata = Element::parent("ResponseMetadata", vec![Element::text("RequestId", request_id)]);
        xml::document(root, &[Element::parent(inner, result), metadata])
    }
}
