//! AWS CLI commands that create and update IAM resources, quoted for a shell.

use crate::{
    advice::iam::{IdentityProvider, PolicyDocument, PolicyKind},
    arn::RoleArn,
    printable,
};

impl IdentityProvider {
    /// Returns the command that creates the provider.
    pub(crate) fn create_command(&self) -> String {
        let client_ids: Vec<String> = self.client_ids.iter().map(|id| quoted(id)).collect();
        let client_ids = client_ids.join(" ");
        format!("aws iam create-open-id-connect-provider --url {} --client-id-list {client_ids}", quoted(&self.url))
    }

    /// Returns the command that adds the first audience to an existing provider.
    pub(crate) fn add_client_id_command(&self) -> String {
        let client_id = self.client_ids.first().map_or("", String::as_str);
        format!(
            "aws iam add-client-id-to-open-id-connect-provider --open-id-connect-provider-arn {} --client-id {}",
            quoted(&self.arn()),
            quoted(client_id)
        )
    }

    /// Returns the command that replaces the thumbprint after a change of the issuer's certificate.
    pub(crate) fn update_thumbprint_command(&self) -> String {
        format!(
            "aws iam update-open-id-connect-provider-thumbprint --open-id-connect-provider-arn {} --thumbprint-list \
             THUMBPRINT",
            quoted(&self.arn())
        )
    }
}

impl PolicyDocument {
    /// Returns the command that attaches the policy to its existing role. The command reads the policy from
    /// `file_name`.
    pub(crate) fn command(&self) -> String {
        let file = self.file_name();
        let role = quoted(self.role_arn.name());
        match self.kind {
            PolicyKind::TrustPolicy => {
                format!("aws iam update-assume-role-policy --role-name {role} --policy-document file://{file}")
            }
            PolicyKind::PermissionPolicy => format!(
                "aws iam put-role-policy --role-name {role} --policy-name assume-role --policy-document file://{file}"
            ),
        }
    }

    /// Returns the command that creates the role with this trust policy, or `None` for other kinds of policies.
    pub(crate) fn create_role_command(&self) -> Option<String> {
        let path = match self.role_arn.path() {
            "/" => String::new(),
            path => format!(" --path {}", quoted(path)),
        };
        let role = quoted(self.role_arn.name());
        let file = self.file_name();
        (self.kind == PolicyKind::TrustPolicy).then(|| {
            format!("aws iam create-role --role-name {role}{path} --assume-role-policy-document file://{file}")
        })
    }

    /// Returns the quoted name of the file to save the policy to.
    fn file_name(&self) -> String {
        let kind = match self.kind {
            PolicyKind::TrustPolicy => "trust",
            PolicyKind::PermissionPolicy => "permission",
        };
        quoted(&format!("{}-{kind}.json", self.role_arn.name()))
    }
}

/// Returns the command that shows a role and its trust policy.
pub(crate) fn get_role(role_arn: &RoleArn) -> String {
    format!("aws iam get-role --role-name {}", quoted(role_arn.name()))
}

/// Returns the command that sets a role's maximum session duration.
pub(crate) fn raise_max_session_duration(role_arn: &RoleArn, seconds: u32) -> String {
    format!("aws iam update-role --role-name {} --max-session-duration {seconds}", quoted(role_arn.name()))
}

/// Quotes `text` as one word of a shell command. Token claims need this, because they can contain any characters.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@=,+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", printable::line(text).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_with_shell_syntax_stay_one_word() {
        for (text, word) in [
            ("https://oidc.example/id/AB", "https://oidc.example/id/AB"),
            ("https://x;rm -rf ~", "'https://x;rm -rf ~'"),
            ("it's\n$(id)", r"'it'\''s\u{a}$(id)'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
