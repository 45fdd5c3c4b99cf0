//! Resolves profiles of the AWS shared files to chains, by the rules of the AWS SDKs.
//!
//! This module reads the two files and has no side effects. A profile with a `role_arn` is a hop, and its `source_profile` is
//! the hop before it. The base of a chain is a web identity token, static keys, a `credential_source` or a
//! `credential_process`. In the vended profile, a role takes precedence over static keys. In a source profile, static keys take
//! precedence over a role. A role always takes precedence over a process. A profile that names itself as its source uses its
//! own keys or process. Errors about loops, incomplete key pairs and missing sources include the path of profiles.
//! [Assume role settings](https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html).

mod base_keys;
mod files;

pub(super) use files::{FileProfile, Files, MAX_SHARED_FILE, ProfileSelection, expand_home, home_file};

use crate::{
    arn::{ExternalId, SessionDuration, SessionName},
    bounded_file::FifoPolicy,
    cli::IdentityArgs,
    config::{
        parameters,
        session::{duration, parse_duration, session_name_flag, session_name_variable, session_plan},
        sts_settings::{StsKeys, StsSettings},
    },
    plan::{AssumeRoleHop, Base, ChainPlan, SessionPlan, WebIdentityHop},
    printable,
    settings::{environment::Environment, errors::ConfigErrors, setting::Setting},
    token::TokenFile,
};

/// Returns the chains of the selected profiles.
pub(super) fn chains(
    selection: &ProfileSelection,
    files: &Files,
    args: &IdentityArgs,
    env: &dyn Environment,
    settings: &StsSettings,
    errors: &mut ConfigErrors,
) -> Vec<ChainPlan> {
    reject_zero_configuration_flags(args, errors);
    let names = files.selected_names(selection, errors);
    let mut resolver = Resolver {
        files,
        env,
        settings,
        session_name_flag: session_name_flag(args, env, errors),
        session_name_variable: session_name_variable(env, errors),
        errors,
    };
    names
        .iter()
        .filter_map(|name| resolver.chain(name, |is_chained, errors| duration(args, env, is_chained, errors)))
        .collect()
}

fn reject_zero_configuration_flags(args: &IdentityArgs, errors: &mut ConfigErrors) {
    for (is_set, flag, key) in [
        (!args.chain_role_arn.is_empty(), "--chain-role-arn", "source_profile"),
        (args.external_id.is_some(), "--external-id", "external_id"),
        (args.policy.is_some(), "--policy", "credvend_policy"),
        (!args.policy_arn.is_empty(), "--policy-arn", "credvend_policy_arns"),
        (!args.session_tag.is_empty(), "--session-tag", "credvend_session_tags"),
        (!args.transitive_tag.is_empty(), "--transitive-tag", "credvend_transitive_tags"),
        (args.source_identity.is_some(), "--source-identity", "credvend_source_identity"),
    ] {
        if is_set {
            errors.add(format!("{flag} cannot be used with profiles; set {key} in the profile"));
        }
    }
}

struct Resolver<'a> {
    files: &'a Files,
    env: &'a dyn Environment,
    settings: &'a StsSettings,
    session_name_flag: Option<SessionName>,
    session_name_variable: Option<SessionName>,
    errors: &'a mut ConfigErrors,
}

/// The profiles visited so far, starting with the vended profile.
type Path<'a> = Vec<FileProfile<'a>>;

impl<'a> Resolver<'a> {
    /// Returns the chain of a vended profile. `duration` reads the duration of its last hop from flags and variables.
    fn chain(
        &mut self,
        name: &str,
        duration: impl FnOnce(bool, &mut ConfigErrors) -> Option<SessionDuration>,
    ) -> Option<ChainPlan> {
        let vended = self.files.profile(name)?;
        let has = |key| vended.value(key).is_some();
        if !["role_arn", "web_identity_token_file", "credential_process"].into_iter().any(has) {
            let skipped = self.files.skipped(name);
            self.errors.add(format!("{vended} has no role_arn and no credential_process; set one of them{skipped}"));
            return None;
        }
        let (mut base, mut hops) = self.resolve(vended, &mut Vec::new())?;
        // A role is chained if its caller is a role session, as far as the plan shows before the first call.
        let is_chained = hops.len() > usize::from(!base.is_role_session());
        if let Some(duration) = duration(is_chained, self.errors) {
            match (hops.last_mut(), &mut base) {
                (Some(hop), _) => hop.session.duration = Some(duration),
                (None, Base::WebIdentity(hop)) => hop.session.duration = Some(duration),
                (None, _) => self.errors.add(format!(
                    "{vended} has no role_arn, so its credential_process determines the lifetime of its credentials; \
                     remove --duration (CREDVEND_DURATION)"
                )),
            }
        }
        let region = self.settings.for_hop(&[&vended], self.errors).endpoint.region;
        Some(ChainPlan { profile: name.to_owned(), base, hops, region })
    }

    /// Returns the base and the hops up to and including `profile`.
    fn resolve(&mut self, profile: FileProfile<'a>, path: &mut Path<'a>) -> Option<(Base, Vec<AssumeRoleHop>)> {
        let is_source = !path.is_empty();
        let is_own_source = path.last().is_some_and(|earlier| earlier.name() == profile.name());
        // Even if the profile has keys: SDKs let only a profile's own source_profile name the profile again.
        if !is_own_source && path.iter().any(|earlier| earlier.name() == profile.name()) {
            self.reject(&profile, path, LOOP);
            return None;
        }
        let keys = base_keys::static_keys(&profile).map_err(|reason| self.reject(&profile, path, &reason)).ok()?;
        if is_source && let Some(keys) = keys {
            return Some((Base::Static(keys), Vec::new()));
        }
        // SDKs ignore the other keys of a source profile that has static keys, so this check comes after them.
        if let Some(reason) = unsupported(&profile) {
            self.reject(&profile, path, reason);
            return None;
        }
        let process = profile.setting("credential_process");
        if let Some(setting) = process.filter(|_| is_own_source || !has_role(&profile)) {
            let base = base_keys::from_credential_process(&setting, &profile, self.env, self.errors)?;
            return Some((base, Vec::new()));
        }
        if is_own_source {
            self.reject(&profile, path, LOOP);
            return None;
        }
        let credential_source = profile.setting("credential_source");
        let Some(role_arn) = profile.setting("role_arn") else {
            let reason = match (credential_source, profile.value("web_identity_token_file")) {
                (Some(setting), None) if is_source => {
                    return self.credential_source(&setting, &profile, path).map(|base| (base, Vec::new()));
                }
                (_, Some(_)) => "web_identity_token_file requires a role_arn; set role_arn",
                _ => "it has neither a role_arn nor credentials; add one of them",
            };
            self.reject(&profile, path, reason);
            return None;
        };
        match (profile.value("web_identity_token_file"), profile.value("source_profile"), credential_source) {
            (Some(token_file), None, None) => {
                let session = self.session(role_arn, &profile, path, false)?;
                for key in ["credvend_session_tags", "credvend_transitive_tags", "credvend_source_identity"] {
                    if let Some(setting) = profile.setting(key) {
                        self.errors.add(format!(
                            "{} requires a chained role, because a web identity session takes tags only from its token; \
                             move it to a chained profile",
                            setting.origin
                        ));
                    }
                }
                Some((
                    Base::WebIdentity(WebIdentityHop { session, token_file: TokenFile::new(token_file) }),
                    Vec::new(),
                ))
            }
            (None, Some(source), None) => {
                let Some(source_profile) = self.files.profile(source) else {
                    self.reject(
                        &profile,
                        path,
                        &format!(
                            "its source_profile {} does not exist; add the profile or correct the name{}",
                            printable::short(source),
                            self.files.skipped(source)
                        ),
                    );
                    return None;
                };
                path.push(profile);
                let resolved = self.resolve(source_profile, path);
                path.pop();
                self.chained(role_arn, &profile, path, resolved?)
            }
            (None, None, Some(setting)) => {
                let base = self.credential_source(&setting, &profile, path)?;
                self.chained(role_arn, &profile, path, (base, Vec::new()))
            }
            (None, None, None) => {
                let reason = "its role_arn requires credentials; set web_identity_token_file, source_profile or \
                              credential_source";
                self.reject(&profile, path, reason);
                None
            }
            sources => {
                let keys = [
                    ("web_identity_token_file", sources.0.is_some()),
                    ("source_profile", sources.1.is_some()),
                    ("credential_source", sources.2.is_some()),
                ];
                let keys: Vec<_> = keys.iter().filter(|(_, is_set)| *is_set).map(|(key, _)| *key).collect();
                self.reject(&profile, path, &format!("it has both {}; keep only one", keys.join(" and ")));
                None
            }
        }
    }

    /// Appends the role of `profile` to the base and the hops before it.
    fn chained(
        &mut self,
        role_arn: Setting,
        profile: &FileProfile<'a>,
        path: &Path<'a>,
        (base, mut hops): (Base, Vec<AssumeRoleHop>),
    ) -> Option<(Base, Vec<AssumeRoleHop>)> {
        let is_chained = base.is_role_session() || !hops.is_empty();
        let session = self.session(role_arn, profile, path, is_chained)?;
        let hop = self.hop(profile, session);
        if hop.pod_tags && !matches!(base, Base::WebIdentity(_)) {
            self.reject(
                profile,
                path,
                "credvend_session_tags: pod requires a web identity token, which this chain does not have; remove pod",
            );
        }
        hops.push(hop);
        Some((base, hops))
    }

    fn credential_source(&mut self, setting: &Setting, profile: &FileProfile<'a>, path: &Path<'a>) -> Option<Base> {
        let vended = path.first().unwrap_or(profile);
        let ca_bundle = self.settings.for_hop(&[profile, vended], self.errors).ca_bundle;
        base_keys::from_credential_source(setting, profile, ca_bundle, self.env, self.errors)
    }

    fn session(
        &mut self,
        role_arn: Setting,
        profile: &FileProfile<'a>,
        path: &Path<'a>,
        is_chained: bool,
    ) -> Option<SessionPlan> {
        let errors = &mut *self.errors;
        let session_name = self.session_name_flag.clone();
        let session_name = session_name
            .or_else(|| {
                let setting = profile.setting("role_session_name")?;
                setting.check(SessionName::parse(&setting.text), errors)
            })
            .or_else(|| self.session_name_variable.clone());
        let duration =
            profile.setting("duration_seconds").and_then(|setting| parse_duration(&setting, is_chained, errors));
        let policy = profile.setting("credvend_policy");
        // A FIFO can be read only once, but several chains can share this profile.
        let policy = policy.and_then(|setting| parameters::policy(&setting, FifoPolicy::Refuse, errors));
        let policy_arns = parameters::policy_arns(profile.setting_arns("credvend_policy_arns"), errors);
        let vended = path.first().unwrap_or(profile);
        let settings: [&dyn StsKeys; 2] = [profile, vended];
        let plan = session_plan(&role_arn, session_name, &settings, self.settings, errors)?;
        Some(SessionPlan { duration, policy, policy_arns, ..plan })
    }

    fn hop(&mut self, profile: &FileProfile<'a>, session: SessionPlan) -> AssumeRoleHop {
        let errors = &mut *self.errors;
        let tags = parameters::tags(profile.setting_list("credvend_session_tags"), errors);
        let transitive_tag_keys =
            parameters::transitive_tag_keys(profile.setting_list("credvend_transitive_tags"), &tags, errors);
        AssumeRoleHop {
            session,
            external_id: profile
                .setting("external_id")
                .and_then(|setting| errors.check(&setting.origin, ExternalId::parse(&setting.text))),
            tags: tags.fixed,
            pod_tags: tags.pod,
            transitive_tag_keys,
            source_identity: profile
                .setting("credvend_source_identity")
                .and_then(|setting| parameters::source_identity(&setting, errors)),
        }
    }

    fn reject(&mut self, profile: &FileProfile<'a>, path: &Path<'a>, reason: &str) {
        let names: Vec<&str> = path.iter().map(FileProfile::name).chain([profile.name()]).collect();
        let path = if path.is_empty() { String::new() } else { format!(" (reached through {})", names.join(" -> ")) };
        self.errors.add(format!("{profile}{path}: {reason}"));
    }
}

const LOOP: &str = "the source profiles form a loop; change a source_profile";

/// Returns true if the profile assumes a role, which takes precedence over its `credential_process`.
fn has_role(profile: &FileProfile<'_>) -> bool {
    ["role_arn", "web_identity_token_file"].iter().any(|key| profile.value(key).is_some())
}

/// Returns why the profile cannot be used without a person, or `None` if it can.
fn unsupported(profile: &FileProfile<'_>) -> Option<&'static str> {
    if profile.value("mfa_serial").is_some() {
        return Some("mfa_serial requires a code from a person at every refresh; use a role without MFA");
    }
    ["sso_session", "sso_start_url", "login_session"].iter().any(|key| profile.value(key).is_some()).then_some(
        "an SSO or login session requires a person to log in, so credvend cannot refresh it; use a web identity token, a \
         credential_source or keys",
    )
}
