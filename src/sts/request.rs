//! The requests to STS and their encoding as form bodies.

use zeroize::Zeroizing;

use crate::{
    arn::{ExternalId, RoleArn, SessionDuration, SessionName},
    token::WebIdentityToken,
};

/// The parameters that AssumeRoleWithWebIdentity and AssumeRole share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionParameters<'a> {
    pub(crate) role_arn: &'a RoleArn,
    /// The role session name, shown in CloudTrail.
    pub(crate) session_name: &'a SessionName,
    /// The session duration. `None` means the default of STS, one hour.
    pub(crate) duration: Option<SessionDuration>,
    /// An inline session policy in JSON, which limits the session's permissions.
    pub(crate) policy: Option<&'a str>,
    /// ARNs of managed policies that limit the session's permissions.
    pub(crate) policy_arns: &'a [String],
}

/// The parameters of AssumeRoleWithWebIdentity.
#[derive(Debug)]
pub(crate) struct AssumeRoleWithWebIdentity<'a> {
    pub(crate) session: SessionParameters<'a>,
    pub(crate) token: &'a WebIdentityToken,
}

/// The parameters of AssumeRole.
#[derive(Debug)]
pub(crate) struct AssumeRole<'a> {
    pub(crate) session: SessionParameters<'a>,
    /// The external ID that the role's trust policy may require.
    pub(crate) external_id: Option<&'a ExternalId>,
    pub(crate) tags: &'a [Tag],
    /// Keys of the tags that pass to subsequent sessions of the chain.
    pub(crate) transitive_tag_keys: &'a [String],
    /// The source identity, which persists through the whole chain.
    pub(crate) source_identity: Option<&'a str>,
}

/// A [session tag](https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tag {
    /// 1 to 128 characters.
    pub(crate) key: String,
    /// Up to 256 characters.
    pub(crate) value: String,
}

/// A form body. It is wiped when dropped because it may contain a token.
pub(super) struct Form(Zeroizing<Vec<u8>>);

impl Form {
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the request body, which shares the memory that is wiped when dropped.
    pub(super) fn into_body(self) -> bytes::Bytes {
        bytes::Bytes::from_owner(self.0)
    }
}

impl AssumeRoleWithWebIdentity<'_> {
    pub(super) fn form(&self) -> Form {
        let mut form = FormWriter::new("AssumeRoleWithWebIdentity");
        form.session(&self.session);
        // The last field: a buffer that grew after it would leave an unwiped copy behind.
        form.field("WebIdentityToken", self.token.expose());
        form.finish()
    }
}

impl AssumeRole<'_> {
    pub(super) fn form(&self) -> Form {
        let mut form = FormWriter::new("AssumeRole");
        form.session(&self.session);
        if let Some(external_id) = self.external_id {
            form.field("ExternalId", external_id.as_str());
        }
        for (number, tag) in (1..).zip(self.tags) {
            form.field(&format!("Tags.member.{number}.Key"), &tag.key);
            form.field(&format!("Tags.member.{number}.Value"), &tag.value);
        }
        for (number, key) in (1..).zip(self.transitive_tag_keys) {
            form.field(&format!("TransitiveTagKeys.member.{number}"), key);
        }
        if let Some(source_identity) = self.source_identity {
            form.field("SourceIdentity", source_identity);
        }
        form.finish()
    }
}

/// Returns the form for GetCallerIdentity, which has no parameters.
pub(super) fn caller_identity() -> Form {
    FormWriter::new("GetCallerIdentity").finish()
}

/// Encodes a form.
struct FormWriter(Zeroizing<Vec<u8>>);

impl FormWriter {
    fn new(action: &str) -> Self {
        let mut form = Self(Zeroizing::default());
        form.field("Action", action);
        form.field("Version", "2011-06-15");
        form
    }

    fn session(&mut self, session: &SessionParameters<'_>) {
        self.field("RoleArn", session.role_arn.as_str());
        self.field("RoleSessionName", session.session_name.as_str());
        if let Some(duration) = session.duration {
            self.field("DurationSeconds", &duration.as_secs().to_string());
        }
        if let Some(policy) = session.policy {
            self.field("Policy", policy);
        }
        for (number, arn) in (1..).zip(session.policy_arns) {
            self.field(&format!("PolicyArns.member.{number}.arn"), arn);
        }
    }

    fn field(&mut self, name: &str, value: &str) {
        // Enough for the whole field, so that the buffer does not grow in the middle of a token, and no more, because the whole
        // buffer is wiped.
        let escaped = value.bytes().map(|byte| usize::from(IS_ESCAPED[usize::from(byte)])).sum::<usize>();
        self.0.reserve_exact(name.len() + value.len() + 2 * escaped + 2);
        if !self.0.is_empty() {
            self.0.push(b'&');
        }
        self.0.extend_from_slice(name.as_bytes());
        self.0.push(b'=');
        if escaped == 0 {
            // A token.
            self.0.extend_from_slice(value.as_bytes());
        } else {
            let pieces = percent_encoding::utf8_percent_encode(value, FORM_VALUE);
            pieces.for_each(|piece| self.0.extend_from_slice(piece.as_bytes()));
        }
    }

    fn finish(self) -> Form {
        Form(self.0)
    }
}

/// The characters to escape in a form value: all except the unreserved characters of RFC 3986.
const FORM_VALUE: &percent_encoding::AsciiSet =
    &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Whether each byte is escaped in a form value.
static IS_ESCAPED: [bool; 256] = {
    let (mut table, mut byte) = ([true; 256], 0);
    while byte < 128_u8 {
        table[byte as usize] = !byte.is_ascii_alphanumeric() && !matches!(byte, b'-' | b'.' | b'_' | b'~');
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_escaped_characters_agrees_with_the_set() {
        for byte in 0..=u8::MAX {
            let encoded = percent_encoding::percent_encode(&[byte], FORM_VALUE).to_string();
            assert_eq!(IS_ESCAPED[usize::from(byte)], encoded.len() == 3, "{byte}");
        }
    }

    #[test]
    fn list_members_are_numbered_and_values_are_escaped() {
        let role_arn = RoleArn::parse("arn:aws:iam::222222222222:role/b").expect("valid");
        let session_name = SessionName::parse("shop-checkout").expect("valid");
        let external_id = ExternalId::parse("a=b").ok();
        let request = AssumeRole {
            session: SessionParameters {
                role_arn: &role_arn,
                session_name: &session_name,
                duration: SessionDuration::parse("900").ok(),
                policy: Some(r#"{"a": 1}"#),
                policy_arns: &["arn:aws:iam::aws:policy/ReadOnlyAccess".into()],
            },
            external_id: external_id.as_ref(),
            tags: &[Tag { key: "team".into(), value: "ä&b".into() }],
            transitive_tag_keys: &["team".into()],
            source_identity: Some("ops"),
        };
        assert_eq!(
            String::from_utf8_lossy(request.form().as_bytes()),
            "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A222222222222%3Arole%2Fb\
             &RoleSessionName=shop-checkout&DurationSeconds=900&Policy=%7B%22a%22%3A%201%7D\
             &PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3Aaws%3Apolicy%2FReadOnlyAccess&ExternalId=a%3Db\
             &Tags.member.1.Key=team&Tags.member.1.Value=%C3%A4%26b&TransitiveTagKeys.member.1=team&SourceIdentity=ops"
        );
    }
}
