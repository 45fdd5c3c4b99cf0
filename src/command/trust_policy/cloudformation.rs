//! `--format cloudformation`: a YAML template for each account, or several if the roles of two accounts trust each other.
//!
//! [`AWS::IAM::Role`](https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-iam-role.html).

use crate::{
    command::{
        output::Lines,
        trust_policy::{
            Setup,
            roles::{Role, policy_node, provider_labels, roles},
            tree::Node,
        },
    },
    settings::errors::ConfigErrors,
};

const PARAMETER: &str = "CreateIdentityProvider";

/// A template, before it is written.
pub(super) struct Template {
    account_id: String,
    /// The number of the account's template, from 1.
    number: usize,
    body: Node,
    has_provider: bool,
    notes: Vec<String>,
}

/// Returns the templates in the order in which they have to be deployed: a trust policy can only name a role that exists.
pub(super) fn templates(setup: &Setup) -> Vec<Template> {
    let roles = roles(setup, role_id);
    let labels = provider_labels(&setup.providers, provider_id);
    // The account and the roles of each template.
    let mut parts: Vec<(&str, Vec<usize>)> = Vec::new();
    let mut part_of: Vec<usize> = Vec::new();
    for (index, role) in roles.iter().enumerate() {
        let account_id = role.arn.account_id();
        let earliest = role.roles.iter().map(|earlier| part_of[*earlier]).max().unwrap_or_default();
        let part = (earliest..parts.len()).find(|part| parts[*part].0 == account_id).unwrap_or_else(|| {
            parts.push((account_id, Vec::new()));
            parts.len() - 1
        });
        parts[part].1.push(index);
        part_of.push(part);
    }
    let mut templates: Vec<Template> = Vec::new();
    for (account_id, members) in parts {
        let number = 1 + templates.iter().filter(|template| template.account_id == account_id).count();
        let members: Vec<&Role<'_>> = members.into_iter().map(|index| &roles[index]).collect();
        let mut resources = Node::map([]);
        for (provider, label) in setup.providers.iter().zip(&labels) {
            if number == 1 && provider.account_id == account_id {
                resources.push(
                    label,
                    resource(
                        "OIDCProvider",
                        &[],
                        Some(PARAMETER),
                        Node::map([
                            ("Url", Node::text(&provider.url)),
                            ("ClientIdList", Node::texts(&provider.client_ids)),
                        ]),
                    ),
                );
            }
        }
        let has_provider = number == 1 && setup.providers.iter().any(|provider| provider.account_id == account_id);
        for role in &members {
            // IAM creates a role whose identity provider does not exist, but not one that trusts a role that does not.
            let earlier = role.roles.iter().map(|index| &roles[*index]);
            let earlier = earlier.filter(|earlier| members.iter().any(|member| member.arn == earlier.arn));
            let dependencies: Vec<String> = earlier.map(|role| role.label.clone()).collect();
            resources.push(&role.label, resource("Role", &dependencies, None, properties(role)));
        }
        templates.push(Template {
            account_id: account_id.to_owned(),
            number,
            body: body(account_id, has_provider, resources),
            has_provider,
            notes: members.iter().flat_map(|role| role.notes()).collect(),
        });
    }
    templates
}

/// Returns the templates of `account`, or of all accounts, as a stream of YAML documents.
///
/// # Errors
/// Returns an error if CloudFormation would replace a part of a value.
pub(super) fn lines(setup: &Setup, templates: &[Template], account: Option<&str>) -> Result<Lines, ConfigErrors> {
    let mut text = Lines::default();
    text.line("# IAM resources for credvend, for AWS CloudFormation: one template for each stack.");
    setup.add_remarks(&mut text);
    let shown = |template: &&Template| account.is_none_or(|account_id| template.account_id == account_id);
    for (index, template) in templates.iter().enumerate().filter(|(_, template)| shown(template)) {
        // The values have no other way to express it: CloudFormation resolves references in every string.
        if template.body.any_text(|text| text.contains("{{resolve:")) {
            return Err(ConfigErrors::one(
                "--format cloudformation cannot be used: CloudFormation would replace `{{resolve:` in a claim of the token; \
                 use another format",
            ));
        }
        let Template { account_id, number, .. } = template;
        let stack = if *number == 1 { "credvend".to_owned() } else { format!("credvend-{number}") };
        text.gap();
        text.line("---");
        text.line(&format!(
            "# account {account_id}: template {} of {}, to deploy in this order",
            index + 1,
            templates.len()
        ));
        text.line(&format!(
            "#   aws cloudformation deploy --stack-name {stack} --template-file FILE --capabilities CAPABILITY_NAMED_IAM"
        ));
        if template.has_provider {
            text.line(&format!(
                "#   if the account has the identity provider, with all audiences: --parameter-overrides {PARAMETER}=false"
            ));
        }
        text.line("#   if a role exists: import it into the stack; the stack replaces its trust policy");
        template.notes.iter().for_each(|note| text.line(&format!("# {note}")));
        text.block(&template.body.yaml(0));
    }
    Ok(text)
}

fn body(account_id: &str, has_provider: bool, resources: Node) -> Node {
    let mut body = Node::map([
        ("AWSTemplateFormatVersion", Node::text("2010-09-09")),
        ("Description", Node::text(format!("IAM resources for credvend in account {account_id}"))),
    ]);
    if has_provider {
        let (yes, no) = (Node::text("true"), Node::text("false"));
        let parameter = Node::map([
            ("Type", Node::text("String")),
            ("AllowedValues", Node::List(vec![yes.clone(), no])),
            ("Default", yes.clone()),
            ("Description", Node::text("Whether to create the identity provider, once per cluster and account")),
        ]);
        let reference = Node::map([("Ref", Node::text(PARAMETER))]);
        let condition = Node::map([("Fn::Equals", Node::List(vec![reference, yes]))]);
        body.push("Parameters", Node::map([(PARAMETER, parameter)]));
        body.push("Conditions", Node::map([(PARAMETER, condition)]));
    }
    body.push("Resources", resources);
    body
}

fn resource(kind: &str, dependencies: &[String], condition: Option<&str>, properties: Node) -> Node {
    let mut resource = Node::map([("Type", Node::text(format!("AWS::IAM::{kind}")))]);
    if let Some(condition) = condition {
        resource.push("Condition", Node::text(condition));
    }
    if !dependencies.is_empty() {
        resource.push("DependsOn", Node::texts(dependencies));
    }
    resource.push("Properties", properties);
    resource
}

fn properties(role: &Role<'_>) -> Node {
    let mut properties = Node::map([("RoleName", Node::text(role.arn.name())), ("Path", Node::text(role.arn.path()))]);
    if let Some(trust) = role.trust {
        properties.push("AssumeRolePolicyDocument", policy_node(&trust.policy));
    }
    if let Some(permission) = role.permission {
        let policy =
            Node::map([("PolicyName", Node::text("assume-role")), ("PolicyDocument", policy_node(&permission.policy))]);
        properties.push("Policies", Node::List(vec![policy]));
    }
    properties
}

/// Returns the logical ID of a role, which consists of letters and digits.
fn role_id(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric());
    let capitalized = words.map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    format!("Role{}", capitalized.collect::<String>())
}

fn provider_id(account_id: &str) -> String {
    format!("OidcProvider{account_id}")
}
