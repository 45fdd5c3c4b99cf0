//! Finds the sources that are configured for one SDK.

use super::{
    Candidate, Note, Source, Surroundings, endpoint, host,
    profile::{Profiles, Section},
    proxy,
    sdks::{Quirks, Sdk},
};

/// Maximum number of profiles in a chain of roles.
const MAX_HOPS: usize = 16;

const KEY_IDS: [&str; 2] = ["AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY"];
const SECRET_KEYS: [&str; 2] = ["AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY"];
const METADATA_ADDRESS: &str = "169.254.169.254";

/// The sources of one SDK.
pub(super) struct Candidates<'a> {
    sdk: &'static Sdk,
    surroundings: &'a Surroundings<'a>,
    profiles: Profiles,
    notes: Vec<Note>,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(sdk: &'static Sdk, surroundings: &'a Surroundings<'a>) -> Self {
        let mut notes = Vec::new();
        let profiles = Profiles::read(sdk, surroundings, &mut notes);
        let has_region = surroundings.first_of(sdk.regions).is_some() || profiles.selected().value("region").is_some();
        if !sdk.regions.is_empty() && !has_region {
            let message = format!("no region in {} or the profile", sdk.regions.join(", "));
            notes.push(Note::new(message, "set both AWS_REGION and AWS_DEFAULT_REGION, because SDKs differ"));
        }
        Self { sdk, surroundings, profiles, notes }
    }

    /// Returns the remarks that do not belong to a single source.
    pub(super) fn into_notes(self) -> Vec<Note> {
        self.notes
    }

    /// Returns a source that fails, if the SDK requires a profile that does not exist.
    pub(super) fn missing_profile(&self) -> Option<Candidate> {
        if !(self.sdk.has(Quirks::PROFILE_REQUIRED) && self.profiles.is_missing()) {
            return None;
        }
        let profile = self.profiles.selected();
        let message = format!("profile {} does not exist", profile.name);
        let fault = Note::new(message, "correct AWS_PROFILE, or mount the file that has the profile");
        Some(Candidate { fault: Some(fault), ..candidate(Source::Keys, profile.origin()) })
    }

    /// Returns the source if it is configured.
    pub(super) fn find(&mut self, source: Source) -> Option<Candidate> {
        let profile = self.profiles.selected();
        match source {
            Source::Environment => self.environment(),
            Source::WebIdentity => self.web_identity(),
            Source::Container => self.container(),
            Source::InstanceMetadata => self.instance_metadata(),
            _ => self.in_profile(source, profile),
        }
    }

    fn environment(&self) -> Option<Candidate> {
        if self.sdk.has(Quirks::PROFILE_BEFORE_KEYS) && self.surroundings.variable("AWS_PROFILE").is_some() {
            return None;
        }
        let count = if self.sdk.has(Quirks::OTHER_KEY_NAMES) { 2 } else { 1 };
        let id = self.surroundings.first_of(&KEY_IDS[..count]);
        let secret = self.surroundings.first_of(&SECRET_KEYS[..count]);
        let (name, _) = id.as_ref().or(secret.as_ref())?;
        let found = candidate(Source::Environment, *name);
        match (&id, &secret) {
            (Some(_), Some(_)) => Some(found),
            _ if self.sdk.has(Quirks::HALF_A_PAIR_FAILS) => {
                let fault = Note::new(format!("{name} is set without the other key"), "unset it, or set both keys");
                Some(Candidate { fault: Some(fault), ..found })
            }
            _ => None,
        }
    }

    fn web_identity(&self) -> Option<Candidate> {
        let path = self.surroundings.variable("AWS_WEB_IDENTITY_TOKEN_FILE")?;
        let role_arn = self.surroundings.variable("AWS_ROLE_ARN");
        let fault = match &role_arn {
            None if self.sdk.has(Quirks::ROLE_REQUIRED) => Some(Note::new(
                "AWS_WEB_IDENTITY_TOKEN_FILE is set without AWS_ROLE_ARN",
                "unset it, or set both variables",
            )),
            None => return None,
            Some(_) => self.unreadable("AWS_WEB_IDENTITY_TOKEN_FILE", &path),
        };
        Some(Candidate { role_arn, fault, ..candidate(Source::WebIdentity, "AWS_WEB_IDENTITY_TOKEN_FILE") })
    }

    fn unreadable(&self, origin: &str, path: &str) -> Option<Note> {
        let error = self.surroundings.read(path).err()?;
        Some(Note::new(
            format!("{origin}: cannot read {path}: {error}"),
            "mount the file, readable for this user (fsGroup in the securityContext)",
        ))
    }

    fn container(&mut self) -> Option<Candidate> {
        let (candidate, notes) = endpoint::container(self.sdk, self.surroundings);
        self.notes.extend(notes);
        candidate
    }

    fn instance_metadata(&self) -> Option<Candidate> {
        let is_disabled = self.surroundings.variable("AWS_EC2_METADATA_DISABLED");
        if !self.sdk.has(Quirks::IMDS_ALWAYS) && is_disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
            return None;
        }
        let variable = self.sdk.imds_variable;
        let url = self.surroundings.variable(variable).map(|url| (variable.to_owned(), url)).or_else(|| {
            let profile = self.profiles.selected();
            let url = profile.value("ec2_metadata_service_endpoint").filter(|_| variable.starts_with("AWS_EC2_"))?;
            Some((profile.origin(), url.to_owned()))
        });
        let (origin, host) = match url {
            None => (METADATA_ADDRESS.to_owned(), METADATA_ADDRESS.to_owned()),
            Some((origin, url)) => (origin, host::of_url(&url).unwrap_or_default()),
        };
        let uses_proxy = self.sdk.has(Quirks::IMDS_PROXY);
        Some(Candidate {
            is_credvend: host::is_loopback(&host),
            fault: if uses_proxy { proxy::fault(self.sdk, self.surroundings, &host) } else { None },
            ..candidate(Source::InstanceMetadata, origin)
        })
    }

    fn in_profile(&self, source: Source, profile: Section<'_>) -> Option<Candidate> {
        let web_identity_token_file = profile.value("web_identity_token_file");
        let found = candidate(source, profile.origin());
        match source {
            Source::Role if web_identity_token_file.is_none() => self.role(profile),
            Source::ProfileWebIdentity => {
                let (path, role_arn) = (web_identity_token_file?, profile.value("role_arn")?);
                let fault = self.unreadable("web_identity_token_file", path);
                Some(Candidate { role_arn: Some(role_arn.to_owned()), fault, ..found })
            }
            Source::Sso if self.sdk.sso_keys().iter().any(|key| profile.value(key).is_some()) => {
                let names_a_role =
                    ["sso_session", "sso_account_id", "sso_role_name"].iter().any(|key| profile.value(key).is_some());
                let skips_profile = !names_a_role && self.sdk.has(Quirks::SSO_NEEDS_ROLE);
                Some(Candidate { fault: missing_sso_key(profile), skips_profile, ..found })
            }
            Source::Login => profile.value("login_session").map(|_| found),
            Source::Process => self.process(profile),
            Source::Keys => keys(source, profile.origin(), profile.credentials.or(profile.config)?)
                .or_else(|| keys(source, profile.origin(), profile.config?)),
            Source::CredentialsFileKeys => keys(source, profile.origin(), profile.credentials?),
            Source::ConfigFileKeys => keys(source, profile.origin(), profile.config?),
            _ => None,
        }
    }

    /// Follows the sources of a role to the credentials with which the SDK assumes it.
    fn role(&self, profile: Section<'_>) -> Option<Candidate> {
        let role_arn = profile.value("role_arn")?.to_owned();
        let found = Candidate { role_arn: Some(role_arn), ..candidate(Source::Role, profile.origin()) };
        let mut profile = profile;
        for _ in 0..MAX_HOPS {
            let base = match (profile.value("source_profile"), profile.value("credential_source")) {
                (Some(name), _) => {
                    let is_self = name == profile.name;
                    profile = self.profiles.section(name);
                    let keys = self.in_profile(Source::Keys, profile);
                    match keys.or_else(|| self.in_profile(Source::ProfileWebIdentity, profile)) {
                        None if profile.value("role_arn").is_some() && !is_self => continue,
                        None => self.process(profile).or_else(|| self.in_profile(Source::Sso, profile)),
                        base => base,
                    }
                }
                (None, Some("EcsContainer")) if self.sdk.has(Quirks::NO_CONTAINER_SOURCE) => None,
                (None, Some("EcsContainer")) => endpoint::container(self.sdk, self.surroundings).0,
                (None, Some("Environment")) => self.environment(),
                (None, Some("Ec2InstanceMetadata")) => self.instance_metadata(),
                _ => None,
            };
            return Some(match base {
                Some(base) => Candidate { is_credvend: base.is_credvend, fault: base.fault, ..found },
                None => without_source(found, profile.name),
            });
        }
        Some(without_source(found, profile.name))
    }

    fn process(&self, profile: Section<'_>) -> Option<Candidate> {
        let command = profile.value("credential_process")?;
        let mut words = command.split_ascii_whitespace();
        let program = words.next()?.trim_matches(['"', '\'']);
        let fault = if program.starts_with('/') && !self.surroundings.exists(program) {
            let help = "mount the volume with the program (credvend install)";
            Some(Note::new(format!("credential_process: {program} does not exist"), help))
        } else if words.next().is_none() && self.sdk.has(Quirks::PROCESS_SPLIT_AT_SPACES) {
            Some(Note::new("credential_process has no argument", "add an argument, such as --from-endpoint"))
        } else {
            None
        };
        let is_credvend = program.rsplit('/').next() == Some("credvend");
        Some(Candidate { is_credvend, fault, ..candidate(Source::Process, profile.origin()) })
    }
}

/// Returns the fault of a profile whose settings of SSO are not complete.
fn missing_sso_key(profile: Section<'_>) -> Option<Note> {
    let portal: &[&str] = if profile.value("sso_session").is_some() { &[] } else { &["sso_start_url", "sso_region"] };
    let required = ["sso_account_id", "sso_role_name"].iter().chain(portal);
    let missing: Vec<&str> = required.copied().filter(|key| profile.value(key).is_none()).collect();
    let message = || format!("{} has settings of SSO without {}", profile.origin(), missing.join(", "));
    (!missing.is_empty()).then(|| Note::new(message(), "remove the sso_ keys from the profile, or complete them"))
}

/// Returns the access keys of a section.
fn keys(source: Source, origin: String, section: &crate::shared_file::Section) -> Option<Candidate> {
    section.value("aws_access_key_id")?;
    let fault = section.value("aws_secret_access_key").is_none().then(|| {
        Note::new(format!("{origin} has no aws_secret_access_key"), "add the key, or remove aws_access_key_id")
    });
    Some(Candidate { is_credvend: section.written_by_us, fault, ..candidate(source, origin) })
}

fn candidate(source: Source, origin: impl Into<String>) -> Candidate {
    Candidate { source, origin: origin.into(), role_arn: None, is_credvend: false, fault: None, skips_profile: false }
}

fn without_source(found: Candidate, profile: &str) -> Candidate {
    let message = format!("profile {profile} has no credentials for the role");
    Candidate { fault: Some(Note::new(message, "set source_profile or credential_source in the profile")), ..found }
}
