//! The parameters that AssumeRole and AssumeRoleWithWebIdentity share: role, session name, duration and session policies.

use crate::error::StsError;
use crate::parameters::{Parameters, Violations};
use crate::policy::{PolicyDocument, PolicyKind};
use crate::role_arn::RoleArn;
use crate::session::Session;
use crate::tags::SessionTags;
use crate::world::Role;

const MAX_CHAINED_DURATION: u64 = 3600;
/// The number of characters that session policies, policy ARNs and tags can have together. AWS limits the size of an
/// undocumented packed format, so the percentages of this server differ from those of AWS.
const PACKED_SPACE: u64 = 4096;

/// The shared parameters, validated.
#[derive(Debug)]
pub(crate) struct SessionRequest {
    pub(crate) role_arn: RoleArn,
    pub(crate) session_name: String,
    policy: Option<PolicyDocument>,
    duration: u64,
    policies_length: usize,
}

impl SessionRequest {
    /// Reads the parameters. If there are violations, including those passed in, returns one error for all of them.
    pub(crate) fn read(parameters: &Parameters, mut violations: Violations) -> Result<Self, StsError> {
        let role_arn = violations.required(parameters, "RoleArn");
        violations.length("RoleArn", role_arn, 20, 2048);
        let session_name = violations.required(parameters, "RoleSessionName");
        violations.session_name("RoleSessionName", session_name);
        let duration = violations.duration(parameters);
        let policy = parameters.text("Policy");
        if let Some(policy) = policy {
            violations.length("Policy", policy, 1, 2048);
        }
        let policy_arns = parameters.list("PolicyArns")?;
        if policy_arns.len() > 10 {
            violations.add("PolicyArns", "[...]", "Member must have length less than or equal to 10");
        }
        violations.finish()?;

        let mut policies_length = policy.map_or(0, str::len);
        for member in &policy_arns {
            let arn = member.get("arn").copied().unwrap_or_default();
            if !is_policy_arn(arn) {
                return Err(StsError::validation(format!("Invalid ARN: {arn}")));
            }
            policies_length += arn.len();
        }
        Ok(Self {
            role_arn: role_arn.parse()?,
            session_name: session_name.to_owned(),
            policy: policy.map(session_policy).transpose()?,
            duration,
            policies_length,
        })
    }

    /// Returns the percentage of the space for policies and tags that the request uses; `None` if it has neither.
    pub(crate) fn packed_size<'a>(
        &self,
        tags: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Result<Option<u64>, StsError> {
        let tags_length: usize = tags.into_iter().map(|(key, value)| key.len() + value.len()).sum();
        let used = (self.policies_length + tags_length) as u64;
        match (used * 100).div_ceil(PACKED_SPACE) {
            0 => Ok(None),
            percent if percent <= 100 => Ok(Some(percent)),
            percent => Err(StsError::new(
                "PackedPolicyTooLarge",
                400,
                format!("Packed size of session tags consumes {percent}% of allotted space."),
            )),
        }
    }

    /// Returns the session's duration in seconds. `chained` means that the caller is itself a role session.
    pub(crate) fn duration(&self, role: &Role, chained: bool) -> Result<u64, StsError> {
        if chained && self.duration > MAX_CHAINED_DURATION {
            return Err(StsError::validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
            ));
        }
        if self.duration > role.max_session_duration {
            return Err(StsError::validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            ));
        }
        Ok(self.duration)
    }

    /// Returns the role session for this request.
    pub(crate) fn into_session(self, tags: SessionTags, source_identity: Option<String>) -> Session {
        let (tags, transitive_keys) = tags.into_session();
        Session {
            role_arn: self.role_arn,
            name: self.session_name,
            source_identity,
            tags,
            transitive_keys,
            policy: self.policy,
        }
    }
}

fn session_policy(text: &str) -> Result<PolicyDocument, StsError> {
    let malformed =
        |reason: String| StsError::new("MalformedPolicyDocument", 400, format!("Syntax errors in policy. {reason}"));
    let policy: PolicyDocument = text.parse().map_err(|error| malformed(format!("({error})")))?;
    policy.check_syntax(PolicyKind::Permissions).map_err(|error| malformed(format!("({error})")))?;
    Ok(policy)
}

/// Returns true for the ARN of a policy, AWS managed like `arn:aws:iam::aws:policy/ReadOnlyAccess` or customer managed.
fn is_policy_arn(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    matches!(parts.as_slice(), ["arn", _, "iam", "", _, resource] if resource.strip_prefix("policy/").is_some_and(|name| !name.is_empty()))
}
