//! Whether a policy allows a request.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use super::condition::{self, Context};
use super::{Effect, Everyone, OneOrMany, PolicyDocument, Principal, PrincipalKind, Statement, wildcard};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Requester<'a> {
    /// The holder of a web identity token, known by the ARN of the provider which vouches for it.
    Federated { provider_arn: &'a str },
    /// A user or a role session: its account and the ARNs it goes by (a session's own, and its role's).
    Aws { account: &'a str, arns: &'a [String] },
}

/// How a trust policy lets somebody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trust {
    /// It names the account: that account's own policies decide who of it may come.
    Account,
    /// It names the requester itself.
    Direct,
}

impl PolicyDocument {
    /// As a role's trust policy.
    pub(crate) fn trusts(&self, requester: Requester<'_>, action: &str, context: &Context) -> Option<Trust> {
        let applies = |statement: &Statement| {
            let trust = statement.principal.as_ref().and_then(|principal| principal.matches(requester))?;
            (statement.covers_action(action) && condition::all_hold(&statement.condition, context)).then_some(trust)
        };
        if self.with_effect(Effect::Deny).any(|statement| applies(statement).is_some()) {
            return None;
        }
        self.with_effect(Effect::Allow).filter_map(applies).max()
    }

    /// As a permissions policy.
    pub(crate) fn permits(&self, action: &str, resource: &str, context: &Context) -> Permission {
        let applies = |statement: &Statement| {
            statement.covers_action(action)
                && statement.covers_resource(resource)
                && condition::all_hold(&statement.condition, context)
        };
        if self.with_effect(Effect::Deny).any(applies) {
            Permission::Denied
        } else if self.with_effect(Effect::Allow).any(applies) {
            Permission::Allowed
        } else {
            Permission::Unsaid
        }
    }

    fn with_effect(&self, effect: Effect) -> impl Iterator<Item = &Statement> {
        self.statement.iter().filter(move |statement| statement.effect == effect)
    }
}

/// What permissions policies say to a request, the stronger the later in this list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Permission {
    Unsaid,
    Allowed,
    Denied,
}

/// What all policies of one identity say together.
pub(crate) fn permission(policies: &[PolicyDocument], action: &str, resource: &str, context: &Context) -> Permission {
    policies.iter().map(|policy| policy.permits(action, resource, context)).max().unwrap_or(Permission::Unsaid)
}

impl Statement {
    fn covers_action(&self, action: &str) -> bool {
        // Actions are the one thing IAM compares without regard to case.
        let covers = |pattern: &String| wildcard::matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase());
        covered(self.action.as_ref(), self.not_action.as_ref(), covers)
    }

    fn covers_resource(&self, resource: &str) -> bool {
        covered(self.resource.as_ref(), self.not_resource.as_ref(), |pattern| wildcard::matches(pattern, resource))
    }
}

fn covered(
    these: Option<&OneOrMany<String>>,
    all_but: Option<&OneOrMany<String>>,
    covers: impl Fn(&String) -> bool,
) -> bool {
    match (these, all_but) {
        (Some(these), _) => these.iter().any(covers),
        (None, Some(all_but)) => !all_but.iter().any(covers),
        (None, None) => false,
    }
}

impl Principal {
    fn matches(&self, requester: Requester<'_>) -> Option<Trust> {
        let named = match self {
            Self::Everyone(Everyone::Star) => return Some(Trust::Direct),
            Self::Named(named) => named,
        };
        let names = |kind| named.get(&kind).into_iter().flat_map(OneOrMany::iter);
        match requester {
            Requester::Federated { provider_arn } => {
                names(PrincipalKind::Federated).any(|name| name == provider_arn).then_some(Trust::Direct)
            }
            Requester::Aws { account, arns } => {
                names(PrincipalKind::Aws).filter_map(|name| aws_principal_matches(name, account, arns)).max()
            }
        }
    }
}

fn aws_principal_matches(name: &str, account: &str, arns: &[String]) -> Option<Trust> {
    if name == "*" || arns.iter().any(|arn| arn == name) {
        return Some(Trust::Direct);
    }
    let root_of_account = name.strip_prefix("arn:").and_then(|rest| {
        let (_partition, rest) = rest.split_once(':')?;
        rest.strip_prefix("iam::")?.strip_suffix(":root")
    });
    (root_of_account.unwrap_or(name) == account).then_some(Trust::Account)
}

#[cfg(test)]
mod tests;
