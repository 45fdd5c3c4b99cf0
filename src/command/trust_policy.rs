//! `credvend trust-policy`: prints the IAM identity providers and policies that a token and a chain require.
//!
//! Input: the claims of the token and the configuration. This command makes no calls. In the text output, each line that is
//! not JSON starts with `#`. The formats for Terraform, CloudFormation and eksctl describe the same resources; comments in them say
//! what the tool cannot express.
//! [Roles for service accounts](https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html),
//! [across accounts](https://docs.aws.amazon.com/eks/latest/userguide/cross-account-access.html).

mod cloudformation;
mod eksctl;
mod json;
mod roles;
mod terraform;

use serde::Serialize;

use crate::{
    advice::iam::{self, IdentityProvider, Policy, PolicyDocument, PolicyKind, Scope},
    arn::RoleArn,
    bounded_file::FifoPolicy,
    chain::error::ProviderError,
    cli::IdentityArgs,
    command::{
        CommandError, Exit, oneshot,
        output::{Lines, print_json, print_lines},
        read_identity,
    },
    plan::{ChainPlan, WebIdentityHop},
    settings::{environment::Environment, errors::ConfigErrors, setting::choose},
    token::{Claims, ISSUER_HELP},
};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Trust all service accounts in the namespace of the token
    #[arg(long)]
    namespace_wide: bool,

    /// Let the last role trust the cluster directly; its account requires its own identity provider for the cluster
    #[arg(long)]
    direct: bool,

    /// Print only the resources of this account
    #[arg(long, value_name = "ID")]
    account: Option<String>,

    /// Output format: text, json, terraform, cloudformation or eksctl
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: String,

    #[command(flatten)]
    identity: IdentityArgs,
}

/// The IAM resources to set up.
#[derive(Default)]
struct Setup {
    documents: Vec<PolicyDocument>,
    providers: Vec<IdentityProvider>,
    /// Steps that are not a resource.
    remarks: Vec<String>,
    /// The roles that trust a token, each with the claims of the token.
    tokens: Vec<(RoleArn, Claims)>,
    /// The account of the first role of the first chain: usually that of the cluster.
    cluster_account: Option<String>,
}

/// Prints the documents.
pub(super) fn run(args: &Args, env: &dyn Environment) -> Result<(), CommandError> {
    let format = args.format.as_str();
    let formats = ["text", "json", "terraform", "cloudformation", "eksctl"];
    choose("--format", format, &formats.map(|name| (name, ())))?;
    let scope = if args.namespace_wide { Scope::Namespace } else { Scope::ServiceAccount };
    let identity = read_identity(&args.identity, env, FifoPolicy::ReadWithin(oneshot::DEFAULT_TIMEOUT))?;
    let mut setup = Setup::default();
    for chain in &identity.chains {
        let claims = claims_of(chain, scope)?;
        if let (None, Some(hop)) = (&setup.cluster_account, chain.base.web_identity()) {
            setup.cluster_account = Some(hop.session.role_arn.account_id().to_owned());
        }
        if args.direct {
            setup.add_direct(chain, claims.as_ref(), scope)?;
        } else {
            setup.add(chain, claims.as_ref(), scope);
        }
    }
    setup.documents = iam::merged(setup.documents);
    if let Some(document) = setup.documents.iter().find(|document| !document.role_arn.is_aws()) {
        let role_arn = &document.role_arn;
        setup.remarks.push(format!(
            "{role_arn} is not a role of AWS: the commands and ARNs below are those of AWS; adapt them to the STS of this role."
        ));
    }
    let account = args.account.as_deref();
    if let Some(account_id) = account {
        setup.check_account(account_id)?;
        // The order of the stacks of one account depends on the roles of the others.
        if format != "cloudformation" {
            setup.retain_account(account_id);
        }
    }
    let lines = match format {
        "json" => return print_json(&setup.document()),
        "terraform" => terraform::lines(&setup),
        "cloudformation" => cloudformation::lines(&setup, account)?,
        "eksctl" => eksctl::lines(&setup, scope),
        _ => setup.text(),
    };
    print_lines(&lines)
}

/// Returns the claims of the token, or `None` if the base of the chain is not a web identity token.
fn claims_of(chain: &ChainPlan, scope: Scope) -> Result<Option<Claims>, CommandError> {
    let Some(hop) = chain.base.web_identity() else { return Ok(None) };
    let token = hop.token_file.read().map_err(ProviderError::from)?;
    let claims = token.claims().clone();
    let missing = |claim: &str| {
        let path = hop.token_file.path().display();
        let line = format!("web identity token file {path}: the token has no {claim}");
        Err(CommandError::new(Exit::Token, format!("{line}; mount a projected serviceAccountToken volume")))
    };
    if claims.issuer.is_empty() {
        return missing("issuer (iss)");
    }
    if claims.subject.is_empty() {
        return missing("subject (sub)");
    }
    if claims.audience.as_slice().is_empty() {
        return missing("audience (aud)");
    }
    if scope == Scope::Namespace && claims.service_account().is_none() {
        return Err(ConfigErrors::one(
            "--namespace-wide requires a Kubernetes service account token, but the subject of this token is not a service account",
        )
        .into());
    }
    Ok(Some(claims))
}

impl Setup {
    fn add(&mut self, chain: &ChainPlan, claims: Option<&Claims>, scope: Scope) {
        if let (Some(hop), Some(claims)) = (chain.base.web_identity(), claims) {
            self.add_provider(&hop.session.role_arn, claims, hop);
            self.tokens.push((hop.session.role_arn.clone(), claims.clone()));
        }
        self.documents.extend(iam::documents(chain, claims, scope));
    }

    /// Adds a trust policy in which the last role trusts the token. The roles before it are not required.
    fn add_direct(&mut self, chain: &ChainPlan, claims: Option<&Claims>, scope: Scope) -> Result<(), CommandError> {
        let (Some(hop), Some(claims), Some(role_arn)) = (chain.base.web_identity(), claims, chain.role_arn()) else {
            let line = format!(
                "--direct requires a web identity token, but the base of profile {} is {} credentials",
                chain.profile,
                chain.base.kind()
            );
            return Err(ConfigErrors::one(line).into());
        };
        self.add_provider(role_arn, claims, hop);
        self.tokens.push((role_arn.clone(), claims.clone()));
        self.remarks.push(format!(
            "With --direct, {role_arn} is the only role: set AWS_ROLE_ARN={role_arn} and unset CREDVEND_CHAIN_ROLE_ARNS, or \
             replace source_profile with web_identity_token_file in its profile."
        ));
        if chain.hops.iter().any(|hop| hop.external_id.is_some() || hop.pod_tags || !hop.tags.is_empty()) {
            self.remarks.push(
                "The external ID and session tags apply only to chained roles: remove them for a role that trusts the token."
                    .to_owned(),
            );
        }
        let policy = iam::trust_in_token(role_arn, claims, scope);
        self.documents.push(PolicyDocument {
            role_arn: role_arn.clone(),
            kind: PolicyKind::TrustPolicy,
            policy,
            note: None,
        });
        Ok(())
    }

    /// Adds the provider of a token. An account has one provider for an issuer, with the audiences of all tokens.
    fn add_provider(&mut self, role_arn: &RoleArn, claims: &Claims, hop: &WebIdentityHop) {
        let mut provider = IdentityProvider::of(role_arn, claims);
        provider.issuer_problem = claims.issuer_problem(hop.session.endpoint.is_aws());
        match self.providers.iter_mut().find(|other| other.arn() == provider.arn()) {
            Some(other) => {
                let added = provider.client_ids.into_iter().filter(|id| !other.client_ids.contains(id));
                other.client_ids.extend(added.collect::<Vec<_>>());
            }
            None => self.providers.push(provider),
        }
    }

    /// Returns an error if no resource belongs to the account.
    fn check_account(&self, account_id: &str) -> Result<(), ConfigErrors> {
        let accounts = self.accounts();
        if accounts.contains(&account_id) {
            return Ok(());
        }
        let line =
            format!("--account {account_id}: no resource belongs to it; the accounts are {}", accounts.join(", "));
        Err(ConfigErrors::one(line))
    }

    /// Keeps only the resources of one account.
    fn retain_account(&mut self, account_id: &str) {
        self.documents.retain(|document| document.role_arn.account_id() == account_id);
        self.providers.retain(|provider| provider.account_id == account_id);
    }

    /// Returns the IDs of the accounts, in the order of the chains.
    fn accounts(&self) -> Vec<&str> {
        let mut accounts = Vec::new();
        let providers = self.providers.iter().map(|provider| &*provider.account_id);
        for account_id in providers.chain(self.documents.iter().map(|document| document.role_arn.account_id())) {
            if !accounts.contains(&account_id) {
                accounts.push(account_id);
            }
        }
        accounts
    }

    fn text(&self) -> Lines {
        let mut text = Lines::default();
        for provider in &self.providers {
            text.gap();
            provider_lines(provider, &mut text);
        }
        for remark in &self.remarks {
            text.gap();
            text.line(&format!("# {remark}"));
        }
        for document in &self.documents {
            text.gap();
            document_lines(document, &mut text);
        }
        text
    }

    /// Adds the steps that no resource expresses, as comments.
    fn remark_lines(&self, text: &mut Lines) {
        let issuers = self.providers.iter().flat_map(issuer_remarks);
        self.remarks.iter().cloned().chain(issuers).for_each(|remark| text.line(&format!("# {remark}")));
    }

    fn document(&self) -> impl Serialize {
        Wire {
            documents: self.documents.iter().map(WireDocument::of).collect(),
            identity_providers: self.providers.iter().map(WireProvider::of).collect(),
            remarks: &self.remarks,
        }
    }
}

/// Adds the command that creates an identity provider, or the reason why AWS cannot use it.
fn provider_lines(provider: &IdentityProvider, text: &mut Lines) {
    text.line(&format!("# identity provider in account {}, once per cluster", provider.account_id));
    if provider.issuer_problem.is_none() {
        text.line(&format!("#   {}", provider.create_command()));
    }
    issuer_remarks(provider).iter().for_each(|remark| text.line(&format!("#   {remark}")));
}

/// Returns the reason why AWS cannot use the issuer of a provider and the ways to solve it, or nothing if AWS can use it.
fn issuer_remarks(provider: &IdentityProvider) -> Vec<String> {
    let Some(problem) = provider.issuer_problem else { return Vec::new() };
    let remark = format!("AWS cannot use the issuer {}: {problem}", provider.url);
    [remark].into_iter().chain(ISSUER_HELP.map(|help| format!("-> {help}"))).collect()
}

/// Adds the commands for a document and the document itself.
fn document_lines(document: &PolicyDocument, text: &mut Lines) {
    let PolicyDocument { role_arn, kind, policy, note } = document;
    let (title, effect) = match kind {
        PolicyKind::TrustPolicy => ("trust policy of", "; replaces the current trust policy"),
        PolicyKind::PermissionPolicy => ("permission policy for", ""),
    };
    text.line(&format!("# {title} {role_arn}, in account {}{effect}", role_arn.account_id()));
    text.line(&format!("#   {}", document.command()));
    if let Some(command) = document.create_role_command() {
        text.line(&format!("#   or create the role: {command}"));
    }
    if let Some(note) = note {
        text.line(&format!("# {note}"));
    }
    text.json(policy);
}

#[derive(Serialize)]
struct Wire<'a> {
    documents: Vec<WireDocument<'a>>,
    identity_providers: Vec<WireProvider<'a>>,
    remarks: &'a [String],
}

#[derive(Serialize)]
struct WireDocument<'a> {
    account_id: &'a str,
    role_arn: &'a str,
    kind: &'static str,
    policy: &'a Policy,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'static str>,
}

#[derive(Serialize)]
struct WireProvider<'a> {
    account_id: &'a str,
    url: &'a str,
    client_ids: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

impl<'a> WireDocument<'a> {
    fn of(document: &'a PolicyDocument) -> Self {
        let kind = match document.kind {
            PolicyKind::TrustPolicy => "trust_policy",
            PolicyKind::PermissionPolicy => "permission_policy",
        };
        Self {
            account_id: document.role_arn.account_id(),
            role_arn: document.role_arn.as_str(),
            kind,
            policy: &document.policy,
            note: document.note,
        }
    }
}

impl<'a> WireProvider<'a> {
    fn of(provider: &'a IdentityProvider) -> Self {
        let IdentityProvider { account_id, url, client_ids, issuer_problem, .. } = provider;
        Self { account_id, url, client_ids, problem: *issuer_problem }
    }
}
