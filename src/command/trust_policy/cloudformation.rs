//! `--format cloudformation`: a YAML template for each account, or several if the roles of two accounts trust each other.
//!
//! [`AWS::IAM::Role`](https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html).

use std::fmt::Write as _;

use crate::{
    command::{
        output::Lines,
        trust_policy::{
            Setup,
            json::{list, policy, quoted},
            roles::{Role, provider_labels, roles},
        },
    },
    settings::errors::ConfigErrors,
};

const PROVIDER_HELP: &str = "#   if the account has the identity provider, with all audiences: --parameter-overrides CreateIdentityProvider=false";

const PARAMETER: &str = r#"Parameters:
  CreateIdentityProvider:
    Description: Whether to create the identity provider, once per cluster and account
    Type: String
    AllowedValues: ["true", "false"]
    Default: "true"
Conditions:
  CreateIdentityProvider:
    Fn::Equals: [{"Ref": "CreateIdentityProvider"}, "true"]
"#;

/// A template: an account and the indexes of its roles.
type Template<'a> = (&'a str, Vec<usize>);

/// Returns the templates of `account`, or of all accounts, as a stream of YAML documents.
///
/// # Errors
/// Returns an error if CloudFormation would replace a part of a value.
pub(super) fn lines(setup: &Setup, account: Option<&str>) -> Result<Lines, ConfigErrors> {
    let mut text = Lines::default();
    text.line("# IAM resources for credvend, for AWS CloudFormation: one template for each stack.");
    setup.remark_lines(&mut text);
    let roles = roles(setup, role_id);
    let labels = provider_labels(&setup.providers, |account_id| format!("OidcProvider{account_id}"));
    let templates = templates(&roles);
    for (index, (account_id, members)) in templates.iter().enumerate() {
        if account.is_some_and(|account| account != *account_id) {
            continue;
        }
        let number = 1 + templates[..index].iter().filter(|(other, _)| other == account_id).count();
        let stack = if number == 1 { String::new() } else { format!("-{number}") };
        text.block(&format!(
            "\n---\n# account {account_id}: template {} of {}, to deploy in this order\n#   aws cloudformation deploy \
             --stack-name credvend{stack} --template-file FILE --capabilities CAPABILITY_NAMED_IAM",
            index + 1,
            templates.len()
        ));
        let mut resources = String::new();
        for (provider, label) in setup.providers.iter().zip(&labels) {
            if number == 1 && provider.account_id == *account_id {
                // Writing to a string cannot fail.
                let _ = writeln!(
                    resources,
                    "  {label}:\n    Type: AWS::IAM::OIDCProvider\n    Condition: CreateIdentityProvider\n    Properties:\n      \
                     Url: {}\n      ClientIdList: {}",
                    quoted(&provider.url),
                    list(&provider.client_ids)
                );
            }
        }
        let parameter = if resources.is_empty() {
            ""
        } else {
            text.line(PROVIDER_HELP);
            PARAMETER
        };
        text.line("#   if a role exists: import it into the stack; the stack replaces its trust policy");
        for member in members {
            let role = &roles[*member];
            role.note_lines(&mut text);
            // IAM creates a role whose identity provider does not exist, but not one that trusts a role that does not.
            let earlier = role.roles.iter().filter(|earlier| members.contains(*earlier));
            resources += &resource(role, earlier.map(|earlier| &*roles[*earlier].label));
        }
        if resources.contains("{{resolve:") {
            return Err(ConfigErrors::one(
                "--format cloudformation cannot be used: CloudFormation would replace `{{resolve:` in a claim of the token; \
                 use another format",
            ));
        }
        text.block(&format!(
            "AWSTemplateFormatVersion: \"2010-09-09\"\nDescription: IAM resources for credvend in account {account_id}\n\
             {parameter}Resources:\n{resources}"
        ));
    }
    Ok(text)
}

/// Returns the templates in the order in which they have to be deployed: a trust policy can only name a role that exists.
fn templates<'a>(roles: &[Role<'a>]) -> Vec<Template<'a>> {
    let mut templates: Vec<Template<'a>> = Vec::new();
    for (index, role) in roles.iter().enumerate() {
        let account_id = role.arn.account_id();
        let holds_earlier = |template: &Template<'a>| template.1.iter().any(|member| role.roles.contains(member));
        let first = templates.iter().rposition(holds_earlier).unwrap_or_default();
        match templates[first..].iter_mut().find(|template| template.0 == account_id) {
            Some(template) => template.1.push(index),
            None => templates.push((account_id, vec![index])),
        }
    }
    templates
}

fn resource<'a>(role: &Role<'_>, dependencies: impl Iterator<Item = &'a str>) -> String {
    let mut out = format!("  {}:\n    Type: AWS::IAM::Role\n", role.label);
    // Writing to a string cannot fail.
    for (number, dependency) in dependencies.enumerate() {
        let _ = write!(out, "{}{dependency}", if number == 0 { "    DependsOn: [" } else { ", " });
    }
    if out.contains('[') {
        out += "]\n";
    }
    let (name, path) = (quoted(role.arn.name()), quoted(role.arn.path()));
    let _ = writeln!(out, "    Properties:\n      RoleName: {name}\n      Path: {path}");
    if let Some(trust) = role.trust {
        let _ = writeln!(out, "      AssumeRolePolicyDocument: {}", policy(&trust.policy, 8));
    }
    if let Some(permission) = role.permission {
        let document = policy(&permission.policy, 12);
        let _ =
            writeln!(out, "      Policies:\n        - PolicyName: assume-role\n          PolicyDocument: {document}");
    }
    out
}

/// Returns the logical ID of a role, which consists of letters and digits.
fn role_id(name: &str) -> String {
    let mut id = String::from("Role");
    let mut is_start = true;
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            id.push(if is_start { c.to_ascii_uppercase() } else { c });
        }
        is_start = !c.is_ascii_alphanumeric();
    }
    id
}
