//! Profiles of the AWS shared files → chains, by the SDKs' rules.
//!
//! Pure but for reading the two files: a profile with a `role_arn` is a hop; its `source_profile` is what comes before; a web
//! identity token, static keys, a `credential_source` or a `credential_process` are where a chain begins. In the profile that
//! is asked for a role outranks its own static keys, in a source it is the other way round; everywhere a role outranks a
//! process. A profile that names itself as its source means its keys or its process. Loops, half a key pair and missing
//! sources are named with the path walked.
//! [Assume role settings](https://docs.aws.amazon.com/sdkref/latest/guide/feature-assume-role-credentials.html).

mod base_keys;
mod files;

pub(super) use files::{ProfileSelection, default_of_home, expand_home, home_file};

use crate::{
    arn::{ExternalId, SessionDuration, SessionName},
    cli::IdentityArgs,
    config::{
        parameters,
        profile::files::{FileProfile, Files},
        session::{duration, parse_duration, parse_role_arn, session_name_flag, session_name_variable, session_plan},
        sts_settings::{StsKeys, StsSettings},
    },
    plan::{AssumeRoleHop, Base, ChainPlan, SessionPlan, WebIdentityHop},
    settings::{environment::Environment, errors::ConfigErrors, setting::Setting},
    token::TokenFile,
};

/// The chains of the wanted profiles, and what in the files was skipped.
pub(super) fn chains(
    selection: &ProfileSelection,
    args: &IdentityArgs,
    env: &dyn Environment,
    settings: &StsSettings,
    errors: &mut ConfigErrors,
) -> Option<(Vec<ChainPlan>, Vec<String>)> {
    refuse_flags_of_zero_configuration(args, errors);
    let files = Files::read(selection, env, errors)?;
    let names = files.selected_names(selection, errors);
    let mut resolver = Resolver {
        files: &files,
        env,
        settings,
        session_name_flag: session_name_flag(args, errors),
        session_name_variable: session_name_variable(env, errors),
        errors,
    };
    let chains: Vec<_> = names
        .iter()
        .filter_map(|name| resolver.chain(name, |is_chained, errors| duration(args, env, is_chained, errors)))
        .collect();
    Some((chains, files.warnings()))
}

fn refuse_flags_of_zero_configuration(args: &IdentityArgs, errors: &mut ConfigErrors) {
    for (setting, flag, key) in [
        (!args.chain_role_arn.is_empty(), "--chain-role-arn", "source_profile"),
        (args.external_id.is_some(), "--external-id", "external_id"),
        (args.policy.is_some(), "--policy", "credvend_policy"),
        (!args.policy_arn.is_empty(), "--policy-arn", "credvend_policy_arns"),
        (!args.session_tag.is_empty(), "--session-tag", "credvend_session_tags"),
        (!args.transitive_tag.is_empty(), "--transitive-tag", "credvend_transitive_tags"),
        (args.source_identity.is_some(), "--source-identity", "credvend_source_identity"),
    ] {
        if setting {
            errors.add(format!("{flag} does not go with profiles: set {key} in the profile"));
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

/// The profiles walked so far, the vended one first.
type Path<'a> = Vec<FileProfile<'a>>;

impl<'a> Resolver<'a> {
    /// The chain of one vended profile; `duration` gives what flags and variables say of its last hop.
    fn chain(
        &mut self,
        name: &str,
        duration: impl FnOnce(bool, &mut ConfigErrors) -> Option<SessionDuration>,
    ) -> Option<ChainPlan> {
        let vended = self.files.profile(name)?;
        let has = |key| vended.value(key).is_some();
        if !["role_arn", "web_identity_token_file", "credential_process"].into_iter().any(has) {
            self.errors.add(format!("{vended} has no role_arn: credvend vends the credentials of roles"));
            return None;
        }
        let (mut base, mut hops) = self.resolve(vended, &mut Vec::new())?;
        // A chained role is one whose caller is a role's session itself, as far as is known before any call.
        let is_chained = hops.len() > usize::from(!base.is_role_session());
        if let Some(duration) = duration(is_chained, self.errors) {
            match (hops.last_mut(), &mut base) {
                (Some(hop), _) => hop.session.duration = Some(duration),
                (None, Base::WebIdentity(hop)) => hop.session.duration = Some(duration),
                (None, _) => self.errors.add(format!(
                    "{vended} has no role_arn: its credential_process decides how long its credentials last, \
                     not --duration (CREDVEND_DURATION)"
                )),
            }
        }
        let region = self.settings.for_hop(&[&vended], self.errors).endpoint.region;
        Some(ChainPlan { profile: name.to_owned(), base, hops, region })
    }

    /// The base and the hops up to `profile`, its own included.
    fn resolve(&mut self, profile: FileProfile<'a>, path: &mut Path<'a>) -> Option<(Base, Vec<AssumeRoleHop>)> {
        let is_source = !path.is_empty();
        let comes_again = path.iter().any(|earlier| earlier.name() == profile.name());
        let keys = base_keys::static_keys(&profile).map_err(|reason| self.refuse(&profile, path, &reason)).ok()?;
        if is_source && let Some(keys) = keys {
            return Some((Base::Static(keys), Vec::new()));
        }
        // Not sooner: what else a source says beside keys of its own, SDKs do not look at.
        if let Some(reason) = unsupported(&profile) {
            self.refuse(&profile, path, reason);
            return None;
        }
        let process = profile.setting("credential_process");
        let is_own_source = path.last().is_some_and(|earlier| earlier.name() == profile.name());
        if let Some(setting) = process.filter(|_| is_own_source || !has_role(&profile)) {
            let base = base_keys::of_credential_process(&setting, &profile, self.env, self.errors)?;
            return Some((base, Vec::new()));
        }
        if comes_again {
            self.refuse(&profile, path, "the source profiles form a loop");
            return None;
        }
        let credential_source = profile.setting("credential_source");
        let Some(role_arn) = profile.setting("role_arn") else {
            let reason = match (credential_source, profile.value("web_identity_token_file")) {
                (Some(setting), None) if is_source => {
                    return self.credential_source(&setting, &profile, path).map(|base| (base, Vec::new()));
                }
                (_, Some(_)) => "web_identity_token_file needs a role_arn",
                _ => "it has neither a role_arn nor credentials",
            };
            self.refuse(&profile, path, reason);
            return None;
        };
        match (profile.value("web_identity_token_file"), profile.value("source_profile"), credential_source) {
            (Some(token_file), None, None) => {
                let session = self.session(role_arn, &profile, path, false)?;
                for key in ["credvend_session_tags", "credvend_transitive_tags", "credvend_source_identity"] {
                    if let Some(setting) = profile.setting(key) {
                        self.errors.add(format!(
                            "{} is for a chained role: a web identity session takes tags from its token alone",
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
                    self.refuse(&profile, path, &format!("its source_profile {source} does not exist"));
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
                let reason = "its role_arn needs a web_identity_token_file, a source_profile or a credential_source to \
                              assume it with";
                self.refuse(&profile, path, reason);
                None
            }
            setting => {
                let both = [
                    ("web_identity_token_file", setting.0.is_some()),
                    ("source_profile", setting.1.is_some()),
                    ("credential_source", setting.2.is_some()),
                ];
                let both: Vec<_> = both.iter().filter(|(_, setting)| *setting).map(|(key, _)| *key).collect();
                self.refuse(&profile, path, &format!("it has both {}: keep one", both.join(" and ")));
                None
            }
        }
    }

    /// What came before, and the role of `profile` assumed with it.
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
            self.refuse(
                profile,
                path,
                "credvend_session_tags: pod takes tags from a web identity token, and here is none",
            );
        }
        hops.push(hop);
        Some((base, hops))
    }

    fn credential_source(&mut self, setting: &Setting, profile: &FileProfile<'a>, path: &Path<'a>) -> Option<Base> {
        let vended = path.first().unwrap_or(profile);
        let ca_bundle = self.settings.for_hop(&[profile, vended], self.errors).ca_bundle;
        base_keys::of_credential_source(setting, profile, ca_bundle, self.env, self.errors)
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
                errors.check(&setting.origin, SessionName::parse(&setting.text))
            })
            .or_else(|| self.session_name_variable.clone());
        let duration =
            profile.setting("duration_seconds").and_then(|setting| parse_duration(&setting, is_chained, errors));
        let policy = profile.setting("credvend_policy").and_then(|setting| parameters::policy(&setting, errors));
        let policy_arns = parameters::policy_arns(profile.setting_list("credvend_policy_arns"), errors);
        let vended = path.first().unwrap_or(profile);
        let settings: [&dyn StsKeys; 2] = [profile, vended];
        let origin = role_arn.origin.clone();
        let role_arn = parse_role_arn(&role_arn, errors)?;
        let plan = session_plan(role_arn, &origin, session_name, &settings, self.settings, errors)?;
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

    fn refuse(&mut self, profile: &FileProfile<'a>, path: &Path<'a>, reason: &str) {
        let walked: Vec<&str> = path.iter().map(FileProfile::name).chain([profile.name()]).collect();
        let way = if path.is_empty() { String::new() } else { format!(" (reached by {})", walked.join(" -> ")) };
        self.errors.add(format!("{profile}{way}: {reason}"));
    }
}

/// Whether a profile asks for a role, which outranks its `credential_process`.
fn has_role(profile: &FileProfile<'_>) -> bool {
    ["role_arn", "web_identity_token_file"].iter().any(|key| profile.value(key).is_some())
}

/// Why a profile cannot be used by a program that asks nobody.
fn unsupported(profile: &FileProfile<'_>) -> Option<&'static str> {
    if profile.value("mfa_serial").is_some() {
        return Some("mfa_serial asks a person for a code at every refresh: use a role without MFA");
    }
    ["sso_session", "sso_start_url", "login_session"].iter().any(|key| profile.value(key).is_some()).then_some(
        "an SSO session is a person's login, which cannot be refreshed here: use a web identity token, a \
         credential_source or keys",
    )
}
