//! Selects the source of the identity, in the order of the SDKs.
//!
//! 1. Flags: a role or profiles.
//! 2. `AWS_PROFILE`. The value `default` counts as unset, because it selects the profile of the next step.
//! 3. The default profile of `AWS_CONFIG_FILE` or `~/.aws/config`, if it names credentials.
//! 4. `AWS_ROLE_ARN`. A config file without a role does not hide it.

use crate::{
    bounded_file::FifoPolicy,
    cli::IdentityArgs,
    config::{
        profile::{FileProfile, Files, ProfileSelection},
        session::{DEFAULT_PROFILE, token_file},
    },
    settings::{environment::Environment, errors::ConfigErrors},
};

/// The source of the chains.
pub(super) enum Source {
    /// A role from flags or variables. The files provide the default profile if no flag names the role.
    Role(Option<Files>),
    Profiles(ProfileSelection, Files),
}

impl Source {
    /// Returns the first source that the settings name, or `None` if the settings name no source or contradict each other.
    pub(super) fn select(
        args: &IdentityArgs,
        env: &dyn Environment,
        fifos: FifoPolicy,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let role_flags = args.role_arn.is_some() || args.web_identity_token_file.is_some();
        if role_flags && (args.config.is_some() || !args.profile.is_empty() || args.all_profiles) {
            errors.add(
                "--role-arn and --web-identity-token-file cannot be used with --config, --profile or --all-profiles; specify \
                 either a role or profiles",
            );
            return None;
        }
        if args.all_profiles && !args.profile.is_empty() {
            errors.add("--all-profiles cannot be used with --profile; specify only one of them");
        }
        if role_flags {
            return Some(Self::Role(None));
        }
        let selection = ProfileSelection::read(args, env);
        let files = Files::read(&selection, env, fifos, errors)?;
        let has_role_variable = env.text("AWS_ROLE_ARN").is_some();
        if selection.is_explicit()
            || files.default_profile().is_some_and(|profile| names_credentials(&profile, has_role_variable))
        {
            return Some(Self::Profiles(selection, files));
        }
        if has_role_variable {
            return Some(Self::Role(Some(files)));
        }
        errors.add(format!(
            "no role to assume; set AWS_ROLE_ARN or --role-arn, or select profiles with --config, --profile or AWS_PROFILE; \
             looked at AWS_PROFILE ({}), {}, and AWS_ROLE_ARN (not set)",
            env.text("AWS_PROFILE").as_deref().unwrap_or("not set"),
            files.describe_default(env)
        ));
        token_file(args, env, errors);
        None
    }

    /// Returns the warnings about the files, and about a default profile and a variable of which only one applies.
    pub(super) fn warnings(&self, env: &dyn Environment) -> Vec<String> {
        match self {
            Self::Role(None) => Vec::new(),
            Self::Role(Some(files)) => {
                let mut warnings = files.warnings();
                if env.text("AWS_PROFILE").as_deref() == Some(DEFAULT_PROFILE) {
                    warnings.push(format!(
                        "AWS_PROFILE selects the profile {DEFAULT_PROFILE}, which names no role and no credential_process; \
                         AWS_ROLE_ARN applies"
                    ));
                }
                warnings
            }
            Self::Profiles(selection, files) => {
                let mut warnings = files.warnings();
                if !selection.is_explicit() && env.text("AWS_ROLE_ARN").is_some() {
                    warnings.push(format!(
                        "the profile {DEFAULT_PROFILE} names a role or a credential_process, which takes precedence over \
                         AWS_ROLE_ARN"
                    ));
                }
                warnings
            }
        }
    }
}

/// Returns true if the default profile names credentials, so that the variables do not apply.
fn names_credentials(profile: &FileProfile<'_>, has_role_variable: bool) -> bool {
    let has = |key| profile.value(key).is_some();
    // Without a role, a token file is an error of the profile, unless a variable names the role.
    has("role_arn") || has("credential_process") || (has("web_identity_token_file") && !has_role_variable)
}
