//! `--format terraform`: a configuration for Terraform and OpenTofu, with a provider configuration for each account.
//!
//! [`aws_iam_role`](https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/iam_role).

use crate::{
    advice::iam,
    command::{
        output::Lines,
        trust_policy::{
            Setup,
            json::{list, policy, quoted},
            roles::{Role, provider_labels, roles},
        },
    },
};

const HEADER: &str = "# IAM resources for credvend, for Terraform and OpenTofu.
# Set the credentials of each account in its provider configuration, for example with profile or assume_role.
";

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
    setup.remark_lines(&mut text);
    if !setup.providers.is_empty() {
        text.block(VARIABLE);
    }
    let roles = roles(setup, identifier);
    let labels = provider_labels(&setup.providers, |account_id| format!("cluster_{account_id}"));
    for account_id in setup.accounts() {
        let alias = identifier(&format!("account-{account_id}"));
        text.block(&format!(
            "\n# account {account_id}\nprovider \"aws\" {{\n  alias               = \"{alias}\"\n  \
             allowed_account_ids = [{}]\n}}",
            quoted(account_id)
        ));
        for (provider, label) in setup.providers.iter().zip(&labels) {
            if provider.account_id == account_id {
                text.block(&format!(
                    "\n# once per cluster\nresource \"aws_iam_openid_connect_provider\" \"{label}\" {{\n  \
                     count          = var.create_identity_providers ? 1 : 0\n  provider       = aws.{alias}\n  \
                     url            = {}\n  client_id_list = {}\n}}",
                    quoted(&provider.url),
                    list(&provider.client_ids)
                ));
            }
        }
        for role in roles.iter().filter(|role| role.arn.account_id() == account_id) {
            role_blocks(&mut text, role, &alias, &roles, &labels);
        }
    }
    text
}

fn role_blocks(text: &mut Lines, role: &Role<'_>, alias: &str, roles: &[Role<'_>], labels: &[String]) {
    let (name, label) = (role.arn.name(), &role.label);
    text.gap();
    if let Some(trust) = role.trust {
        let word = iam::shell_word(name);
        text.line(&format!("# {}", role.arn));
        text.line(&format!(
            "# If the role exists, import it (terraform import aws_iam_role.{label} {word}); its trust policy is replaced."
        ));
        role.note_lines(text);
        let mut dependencies = String::new();
        for index in &role.providers {
            dependencies.extend(["aws_iam_openid_connect_provider.", &labels[*index], ", "]);
        }
        for index in &role.roles {
            dependencies.extend(["aws_iam_role.", &roles[*index].label, ", "]);
        }
        text.block(&format!(
            "resource \"aws_iam_role\" \"{label}\" {{\n  provider = aws.{alias}\n  name     = {}\n  path     = {}\n  \
             assume_role_policy = jsonencode({})\n  depends_on = [{}]\n}}",
            quoted(name),
            quoted(role.arn.path()),
            policy(&trust.policy, 2),
            dependencies.trim_end_matches(", ")
        ));
    }
    if let Some(permission) = role.permission {
        text.block(&format!(
            "\nresource \"aws_iam_role_policy\" \"{label}\" {{\n  provider = aws.{alias}\n  \
             role     = aws_iam_role.{label}.name\n  name     = \"assume-role\"\n  policy = jsonencode({})\n}}",
            policy(&permission.policy, 2)
        ));
    }
}

/// Returns a name as an identifier of Terraform.
fn identifier(name: &str) -> String {
    let name = name.replace(|c: char| !c.is_ascii_alphanumeric(), "_");
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("role_{name}") } else { name }
}
