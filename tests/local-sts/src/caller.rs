//! The caller that signed a request: an IAM user with a static access key, or a role session.

use crate::error::StsError;
use crate::policy::PolicyDocument;
use crate::policy::condition::Context;
use crate::policy::evaluation::{Permission, RequestPrincipal, permission};
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
    /// The ARNs by which a trust policy can name the caller.
    arns: Vec<String>,
    policies: Vec<PolicyDocument>,
    /// The role session; `None` for an IAM user.
    pub(crate) session: Option<Session>,
}

impl Caller {
    /// Looks up the access key, then checks the session token, the expiry and the signature.
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
            presented.verify(&credentials.secret_access_key, content)?;
            return Ok(Self::from_session(session, world));
        }
        let Some((account, name, user)) = world.user(&presented.access_key_id) else {
            return Err(StsError::unknown_key());
        };
        if presented.session_token.is_some() {
            return Err(StsError::unknown_key());
        }
        presented.verify(&user.secret_access_key, content)?;
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

    fn from_session(session: &Session, world: &World) -> Self {
        let role_arn = session.role_arn.to_string();
        Self {
            account: session.role_arn.account.clone(),
            arn: session.arn(),
            user_id: session.id(),
            // As in AWS, a session has the role's current policies, not those from when the session was issued.
            policies: world.role(&role_arn).map(|role| role.policies.clone()).unwrap_or_default(),
            arns: vec![role_arn, session.arn()],
            session: Some(session.clone()),
        }
    }

    pub(crate) fn as_request_principal(&self) -> RequestPrincipal<'_> {
        RequestPrincipal::Aws { account: &self.account, arns: &self.arns }
    }

    /// Returns the value of `aws:PrincipalArn`: the ARN of the session's role, or of the user.
    pub(crate) fn principal_arn(&self) -> &str {
        &self.arns[0]
    }

    /// Evaluates the caller's own policies together with the session policy.
    pub(crate) fn permission(&self, action: &str, resource: &str, context: &Context) -> Permission {
        let own = permission(&self.policies, action, resource, context);
        if self.session_permits(action, resource, context) { own } else { Permission::ExplicitDeny }
    }

    fn session_permits(&self, action: &str, resource: &str, context: &Context) -> bool {
        let policy = self.session.as_ref().and_then(|session| session.policy.as_ref());
        policy.is_none_or(|policy| policy.permits(action, resource, context) == Permission::Allowed)
    }
}
