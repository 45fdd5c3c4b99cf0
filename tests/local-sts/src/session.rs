//! Role sessions and their temporary credentials.

use std::collections::{BTreeMap, HashMap};

use crate::policy::PolicyDocument;
use crate::random;
use crate::role_arn::RoleArn;

/// Temporary credentials of a role session.
#[derive(Clone, Debug)]
pub(crate) struct IssuedCredentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
    /// Seconds since 1970.
    pub(crate) expires_at: i64,
}

/// A role session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) role_arn: RoleArn,
    pub(crate) name: String,
    pub(crate) source_identity: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// The keys of the tags that the next session in a role chain inherits.
    pub(crate) transitive_keys: Vec<String>,
    /// The session policy, which restricts the role's permissions.
    pub(crate) policy: Option<PolicyDocument>,
}

impl Session {
    /// Returns `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`, which does not contain the role's path. Without an account, the
    /// ARN has one part less, as in SeaweedFS.
    pub(crate) fn arn(&self) -> String {
        let RoleArn { partition, account, name, .. } = &self.role_arn;
        let account = if account.is_empty() { String::new() } else { format!("{account}:") };
        format!("arn:{partition}:sts::{account}assumed-role/{name}/{}", self.name)
    }

    /// Returns the assumed role ID, `AROA…:SESSION`.
    pub(crate) fn id(&self) -> String {
        format!("{}:{}", random::stable_identifier("AROA", 17, &self.role_arn.to_string()), self.name)
    }
}

/// All sessions by access key ID.
#[derive(Debug, Default)]
pub(crate) struct Sessions {
    by_access_key: HashMap<String, (IssuedCredentials, Session)>,
}

impl Sessions {
    /// Issues credentials of the same lengths as in AWS: a 20-character key ID, a 40-character secret, a long token.
    pub(crate) fn issue(&mut self, session: Session, expires_at: i64) -> IssuedCredentials {
        let credentials = IssuedCredentials {
            access_key_id: random::identifier("ASIA", 16),
            secret_access_key: random::base64(30),
            // AWS's session tokens begin with this text. 644 bytes give base64 that ends with one `=`.
            session_token: format!("IQoJb3JpZ2luX2Vj{}", random::base64(644)),
            expires_at,
        };
        self.by_access_key.insert(credentials.access_key_id.clone(), (credentials.clone(), session));
        credentials
    }

    pub(crate) fn find(&self, access_key_id: &str) -> Option<&(IssuedCredentials, Session)> {
        self.by_access_key.get(access_key_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_the_format_of_those_of_aws() {
        let session = Session {
            role_arn: "arn:aws:iam::111111111111:role/team/role".parse().expect("an ARN"),
            name: "name".to_owned(),
            source_identity: None,
            tags: BTreeMap::new(),
            transitive_keys: Vec::new(),
            policy: None,
        };
        assert_eq!(session.arn(), "arn:aws:sts::111111111111:assumed-role/role/name");
        assert!(session.id().starts_with("AROA") && session.id().ends_with(":name") && session.id().len() == 26);
        let credentials = Sessions::default().issue(session, 0);
        assert_eq!((credentials.access_key_id.len(), credentials.secret_access_key.len()), (20, 40));
        assert!(credentials.session_token.len() > 800);
        for character in ['+', '/', '='] {
            assert!(credentials.session_token.contains(character), "{character}");
        }
    }
}
