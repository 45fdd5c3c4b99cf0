//! Who signed a request: a user with a static access key, or a role session.

use crate::error::StsError;
use crate::policy::PolicyDocument;
use crate::policy::condition::Context;
use crate::policy::evaluation::{Permission, Requester, permission};
use crate::random;
use crate::session::{Session, Sessions};
use crate::signature::{PresentedSignature, SignedContent};
use crate::world::World;

/// An authenticated caller.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) account: String,
    pub(crate) arn: String,
    pub(crate) user_id: String,
    /// The ARNs a trust policy may know the caller by.
    arns: Vec<String>,
    policies: Vec<PolicyDocument>,
    /// Absent for a user.
    pub(crate) session: Option<Session>,
}

impl Caller {
    /// Finds the key, then checks token, expiry and signature.
    pub(crate) fn authenticate(
        presented: &PresentedSignature,
        content: SignedContent<'_>,
        world: &World,
        sessions: &Sessions,
        now: i64,
    ) -> Result<Self, StsError> {
        if let Some((credentials, session)) = sessions.find(&presented.access_key_id) {
            if presented.session_token.as_ref() != Some(&credentials.session_token) {
                return Err(StsError::unknown_key());
            }
            if now >= credentials.expires_at {
                return Err(StsError::expired_session());
            }
            presented.is_made_with(&credentials.secret_access_key, content)?;
            return Ok(Self::of_session(session, world));
        }
        let Some((account, name, user)) = world.user(&presented.access_key_id) else {
            return Err(StsError::unknown_key());
        };
        if presented.session_token.is_some() {
            return Err(StsError::unknown_key());
        }
        presented.is_made_with(&user.secret_access_key, content)?;
        let arn = format!("arn:{}:iam::{account}:user/{name}", world.partition());
        Ok(Self {
            account: account.to_owned(),
            user_id: random::stable_identifier("AIDA", 17, &arn),
            arns: vec![arn.clone()],
            arn,
            policies: user.policies.clone(),
            session: None,
        })
    }

    fn of_session(session: &Session, world: &World) -> Self {
        let role_arn = session.role_arn.to_string();
        Self {
            account: session.role_arn.account.clone(),
            arn: session.arn(),
            user_id: session.id(),
            // As in AWS, a role's policies count as they are now, not as they were when the session began.
            policies: world.role(&role_arn).map(|role| role.policies.clone()).unwrap_or_default(),
            arns: vec![role_arn, session.arn()],
            session: Some(session.clone()),
        }
    }

    pub(crate) fn as_requester(&self) -> Requester<'_> {
        Requester::Aws { account: &self.account, arns: &self.arns }
    }

    /// The role's ARN for a session, the user's own for a user: `aws:PrincipalArn`.
    pub(crate) fn principal_arn(&self) -> &str {
        &self.arns[0]
    }

    /// What the caller's own policies say, narrowed by the session's.
    pub(crate) fn permission(&self, action: &str, resource: &str, context: &Context) -> Permission {
        let own = permission(&self.policies, action, resource, context);
        if self.session_permits(action, resource, context) { own } else { Permission::Denied }
    }

    fn session_permits(&self, action: &str, resource: &str, context: &Context) -> bool {
        let policy = self.session.as_ref().and_then(|session| session.policy.as_ref());
        policy.is_none_or(|policy| policy.permits(action, resource, context) == Permission::Allowed)
    }
}
