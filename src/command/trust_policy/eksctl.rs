//! `--format eksctl`: a ClusterConfig with the roles of service accounts. Comments hold what eksctl cannot express.
//!
//! eksctl creates a role that trusts one service account, in the account of the cluster. It writes the trust policy itself, for the
//! audience `sts.amazonaws.com`.
//! [IAM roles for service accounts in eksctl](https://docs.aws.amazon.com/eks/latest/eksctl/iamserviceaccounts.html).

use crate::{
    advice::iam::{PolicyDocument, PolicyKind, Scope},
    command::{
        output::Lines,
        trust_policy::{
            Setup, document_lines,
            json::{policy, quoted},
            provider_lines,
        },
    },
    token::Claims,
};

const HEADER: &str = "# IAM roles for credvend, for eksctl. Set the name of the cluster, then run:
#   eksctl create iamserviceaccount --config-file FILE --approve
# To leave the service account and its annotation alone, add roleOnly: true.
";

const CONFIG: &str = "apiVersion: eksctl.io/v1alpha5
kind: ClusterConfig
metadata:
  name: CLUSTER
  region: ";

/// A role that eksctl can create.
struct ServiceAccount<'a> {
    namespace: &'a str,
    name: &'a str,
    trust: &'a PolicyDocument,
}

/// Returns the ClusterConfig.
pub(super) fn lines(setup: &Setup, scope: Scope) -> Lines {
    let mut text = Lines::default();
    text.block(HEADER);
    setup.remark_lines(&mut text);
    let region = setup.tokens.iter().find_map(|(_, claims)| eks_region(&claims.issuer)).unwrap_or("REGION");
    let mut accounts: Vec<ServiceAccount<'_>> = Vec::new();
    let mut others = Lines::default();
    for document in setup.documents.iter().filter(|document| document.kind == PolicyKind::TrustPolicy) {
        match service_account(setup, document, scope, &accounts) {
            Ok(account) => accounts.push(account),
            Err(reason) => {
                others.line(&format!("# {} in eksctl: {reason}", document.role_arn));
            }
        }
    }
    let is_created = |document: &PolicyDocument| accounts.iter().any(|it| it.trust.role_arn == document.role_arn);
    for document in setup.documents.iter().filter(|document| !is_created(document)) {
        others.gap();
        document_lines(document, &mut others);
    }
    let created = accounts.first().map(|it| it.trust.role_arn.account_id());
    for provider in setup.providers.iter().filter(|provider| Some(&*provider.account_id) != created) {
        others.gap();
        provider_lines(provider, &mut others);
    }
    if accounts.iter().any(|it| permission_of(setup, it).is_none()) {
        text.line(
            "# eksctl requires a policy for each role: add attachPolicyARNs or attachPolicy to the roles without a policy.",
        );
    }
    let list = if accounts.is_empty() { " []" } else { "" };
    text.block(&format!("{CONFIG}{region}\niam:\n  withOIDC: true\n  serviceAccounts:{list}"));
    for account in &accounts {
        text.block(&format!(
            "    - metadata:\n        name: {}\n        namespace: {}\n      roleName: {}",
            quoted(account.name),
            quoted(account.namespace),
            quoted(account.trust.role_arn.name())
        ));
        if let Some(permission) = permission_of(setup, account) {
            text.block(&format!("      attachPolicy: {}", policy(&permission.policy, 8)));
        }
    }
    if !others.is_empty() {
        text.line("#");
        text.line(
            "# eksctl cannot express the following. Run the commands, or use --format terraform or cloudformation.",
        );
        text.line("#");
        text.comments(&others);
    }
    text
}

/// Returns the service account that a role trusts, or why eksctl cannot create the role.
fn service_account<'a>(
    setup: &'a Setup,
    trust: &'a PolicyDocument,
    scope: Scope,
    earlier: &[ServiceAccount<'a>],
) -> Result<ServiceAccount<'a>, &'static str> {
    let role_arn = &trust.role_arn;
    let mut tokens = setup.tokens.iter().filter(|(arn, _)| arn == role_arn).map(|(_, claims)| claims);
    let claims: &Claims = tokens.next().ok_or("the role trusts another role, not a service account")?;
    let (namespace, name) = claims.service_account().ok_or("the subject of the token is not a service account")?;
    let checks = [
        (scope == Scope::ServiceAccount, "a role cannot trust a whole namespace"),
        (eks_region(&claims.issuer).is_some(), "the issuer of the token is not an EKS cluster"),
        (claims.audience.as_slice() == ["sts.amazonaws.com"], "the audience is always sts.amazonaws.com"),
        (role_arn.path() == "/", "a role cannot have a path"),
        (trust.policy.principals().count() == 1, "a role cannot trust several principals"),
        (
            setup.cluster_account.as_deref() == Some(role_arn.account_id()),
            "a role is always in the account of the cluster",
        ),
        (
            earlier.iter().all(|it| (it.namespace, it.name) != (namespace, name)),
            "a service account cannot have several roles",
        ),
    ];
    match checks.into_iter().find(|(is_met, _)| !is_met) {
        Some((_, reason)) => Err(reason),
        None => Ok(ServiceAccount { namespace, name, trust }),
    }
}

fn permission_of<'a>(setup: &'a Setup, account: &ServiceAccount<'_>) -> Option<&'a PolicyDocument> {
    let is_permission = |document: &&PolicyDocument| {
        document.kind == PolicyKind::PermissionPolicy && document.role_arn == account.trust.role_arn
    };
    setup.documents.iter().find(is_permission)
}

/// Returns the region of the EKS cluster that has this issuer, such as `https://oidc.eks.eu-central-1.amazonaws.com/id/…`.
fn eks_region(issuer: &str) -> Option<&str> {
    let host = issuer.strip_prefix("https://oidc")?;
    let region = host.strip_prefix(".eks.").or_else(|| host.strip_prefix("-eks."))?.split('.').next()?;
    region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-').then_some(region)
}
