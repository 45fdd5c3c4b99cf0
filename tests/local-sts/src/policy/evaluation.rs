//! Policy evaluation.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>

use super::condition::{self, Context};
use super::{Effect, Everyone, OneOrMany, PolicyDocument, Principal, PrincipalKind, Statement, wildcard};

/// The principal that makes a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RequestPrincipal<'a> {
    /// The holder of a web identity token, identified by the ARN of the token's OIDC provider.
    Federated { provider_arn: &'a str },
    /// A user or role session. `arns` holds all its ARNs: a session also has its role's ARN.
    Aws { account: &'a str, arns: &'a [String] },
}

/// The part of a trust policy's `Principal` that matches a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum TrustMatch {
    /// The account: the principal also needs a policy of its own that allows the action.
    Account,
    /// The principal itself.
    Principal,
}

impl PolicyDocument {
    /// Evaluates the document as a role's trust policy. Returns `None` if it does not allow the action.
    pub(crate) fn trusts(
        &self,
        principal: RequestPrincipal<'_>,
        action: &str,
        context: &Context,
    ) -> Option<TrustMatch> {
        let applies = |statement: &Statement| {
            let trust = statement.principal.as_ref().and_then(|named| named.matches(principal))?;
            (statement.covers_action(action) && condition::all_hold(&statement.condition, context)).then_some(trust)
        };
        if self.with_effect(Effect::Deny).any(|statement| applies(statement).is_some()) {
            return None;
        }
        self.with_effect(Effect::Allow).filter_map(applies).max()
    }

    /// Evaluates the document as a permissions policy.
    pub(crate) fn permits(&self, action: &str, resource: &str, context: &Context) -> Permission {
        let applies = |statement: &Statement| {
            statement.covers_action(action)
                && statement.covers_resource(resource)
                && condition::all_hold(&statement.condition, context)
        };
        if self.with_effect(Effect::Deny).any(applies) {
            Permission::ExplicitDeny
        } else if self.with_effect(Effect::Allow).any(applies) {
            Permission::Allowed
        } else {
            Permission::ImplicitDeny
        }
    }

    fn with_effect(&self, effect: Effect) -> impl Iterator<Item = &Statement> {
        self.statement.iter().filter(move |statement| statement.effect == effect)
    }
}

/// The result of evaluating permissions policies. A later variant overrides an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Permission {
    ImplicitDeny,
    Allowed,
    ExplicitDeny,
}

/// Evaluates all permissions policies of one identity together.
pub(crate) fn permission(policies: &[PolicyDocument], action: &str, resource: &str, context: &Context) -> Permission {
    policies.iter().map(|policy| policy.permits(action, resource, context)).max().unwrap_or(Permission::ImplicitDeny)
}

impl Statement {
    fn covers_action(&self, action: &str) -> bool {
        // IAM compares action names case-insensitively.
        let matches = |pattern: &String| wildcard::matches(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase());
        covers(self.action.as_ref(), self.not_action.as_ref(), matches)
    }

    fn covers_resource(&self, resource: &str) -> bool {
        covers(self.resource.as_ref(), self.not_resource.as_ref(), |pattern| wildcard::matches(pattern, resource))
    }
}

/// Returns true if an element (`Action` or `Resource`) or its negated form (`NotAction` or `NotResource`) covers the
/// request.
fn covers(
    element: Option<&OneOrMany<String>>,
    negated_element: Option<&OneOrMany<String>>,
    matches: impl Fn(&String) -> bool,
) -> bool {
    match (element, negated_element) {
        (Some(patterns), _) => patterns.iter().any(matches),
        (None, Some(patterns)) => !patterns.iter().any(matches),
        (None, None) => false,
    }
}

impl Principal {
    fn matches(&self, principal: RequestPrincipal<'_>) -> Option<TrustMatch> {
        let named = match self {
            Self::Everyone(Everyone::Star) => return Some(TrustMatch::Principal),
            Self::Named(named) => named,
        };
        let names = |kind| named.get(&kind).into_iter().flat_map(OneOrMany::iter);
        match principal {
            RequestPrincipal::Federated { provider_arn } => {
                names(PrincipalKind::Federated).any(|name| name == provider_arn).then_some(TrustMatch::Principal)
            }
            RequestPrincipal::Aws { account, arns } => {
                names(PrincipalKind::Aws).filter_map(|name| aws_principal_matches(name, account, arns)).max()
            }
        }
    }
}

fn aws_principal_matches(name: &str, account: &str, arns: &[String]) -> Option<TrustMatch> {
    if name == "*" || arns.iter().any(|arn| arn == name) {
        return Some(TrustMatch::Principal);
    }
    let root_of_account = name.strip_prefix("arn:").and_then(|rest| {
        let (_partition, rest) = rest.split_once(':')?;
        rest.strip_prefix("iam::")?.strip_suffix(":root")
    });
    (root_of_account.unwrap_or(name) == account).then_some(TrustMatch::Account)
}

#[cfg(test)]
mod tests;
