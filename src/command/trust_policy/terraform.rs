//! `--format terraform`: a configuration for Terraform and OpenTofu, with a provider configuration for each account.
//!
//! [`aws_iam_role`](https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_role).

use crate::{
    advice::iam,
    command::{
        output::Lines,
        trust_policy::{
            Setup,
            roles::{Role, policy_node, provider_labels, roles},
            tree::{Node, assignments, quoted},
        },
    },
};

const HEADER: &str = r#"# IAM resources for credvend, for Terraform and OpenTofu.
# Set the credentials of each account in its provider configuration, for example with profile or assume_role.
"#;

const VARIABLE: &str = r#"
# false if another configuration, such as that of the cluster, creates the identity providers; they need all audiences below.
variable "create_identity_providers" {
  type    = bool
  default = true
}
"#;

/// Returns the configuration.
pub(super) fn lines(setup: &Setup) -> Lines {
    let mut text = Lines::default();
    text.block(HEADER);
    setup.add_remarks(&mut text);
    if !setup.providers.is_empty() {
        text.block(VARIABLE);
    }
    let roles = roles(setup, identifier);
    let labels = provider_labels(&setup.providers, |account_id| format!("cluster_{account_id}"));
    for account_id in setup.accounts() {
        let alias = identifier(&format!("account-{account_id}"));
        text.gap();
        text.line(&format!("# account {account_id}"));
        block(
            &mut text,
            "provider \"aws\"",
            &[("alias", quoted(&alias)), ("allowed_account_ids", Node::texts(&[account_id.to_owned()]).hcl(2))],
        );
        let provider = ("provider", format!("aws.{alias}"));
        for (identity_provider, label) in setup.providers.iter().zip(&labels) {
            if identity_provider.account_id == account_id {
                text.gap();
                text.line("# once per cluster");
                block(
                    &mut text,
                    &format!("resource \"aws_iam_openid_connect_provider\" \"{label}\""),
                    &[
                        ("count", "var.create_identity_providers ? 1 : 0".to_owned()),
                        provider.clone(),
                        ("url", quoted(&identity_provider.url)),
                        ("client_id_list", Node::texts(&identity_provider.client_ids).hcl(2)),
                    ],
                );
            }
        }
        for role in roles.iter().filter(|role| role.arn.account_id() == account_id) {
            role_blocks(&mut text, role, &provider, &roles, &labels);
        }
    }
    text
}

fn role_blocks(
    text: &mut Lines,
    role: &Role<'_>,
    provider: &(&'static str, String),
    roles: &[Role<'_>],
    labels: &[String],
) {
    let name = role.arn.name();
    let label = &role.label;
    text.gap();
    if let Some(trust) = role.trust {
        text.line(&format!("# {}", role.arn));
        let word = iam::shell_word(name);
        text.line(&format!(
            "# If the role exists, import it (terraform import aws_iam_role.{label} {word}); its trust policy is replaced."
        ));
        role.notes().for_each(|note| text.line(&format!("# {note}")));
        let mut arguments = vec![provider.clone(), ("name", quoted(name))];
        if role.arn.path() != "/" {
            arguments.push(("path", quoted(role.arn.path())));
        }
        arguments.push(("assume_role_policy", format!("jsonencode({})", policy_node(&trust.policy).hcl(2))));
        let providers =
            role.providers.iter().map(|index| format!("aws_iam_openid_connect_provider.{}", labels[*index]));
        let earlier = role.roles.iter().map(|index| format!("aws_iam_role.{}", roles[*index].label));
        let dependencies: Vec<String> = providers.chain(earlier).collect();
        if !dependencies.is_empty() {
            arguments.push(("depends_on", format!("[{}]", dependencies.join(", "))));
        }
        block(text, &format!("resource \"aws_iam_role\" \"{label}\""), &arguments);
    }
    if let Some(permission) = role.permission {
        text.gap();
        block(
            text,
            &format!("resource \"aws_iam_role_policy\" \"{label}\""),
            &[
                provider.clone(),
                ("role", format!("aws_iam_role.{label}.name")),
                ("name", quoted("assume-role")),
                ("policy", format!("jsonencode({})", policy_node(&permission.policy).hcl(2))),
            ],
        );
    }
}

fn block(text: &mut Lines, header: &str, arguments: &[(&'static str, String)]) {
    let arguments: Vec<_> = arguments.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    text.block(&format!("{header} {{\n{}}}", assignments(&arguments, 2)));
}

/// Returns a name as an identifier of Terraform.
fn identifier(name: &str) -> String {
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("role_{name}") } else { name }
}
