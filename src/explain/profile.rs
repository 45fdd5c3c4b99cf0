//! The shared files that an SDK reads, and the profile that it selects.

use super::{
    Note, Surroundings,
    sdks::{Files, Quirks, Sdk},
};
use crate::shared_file::{self, FileKind, SharedFile};

/// The profiles in both files.
pub(super) struct Profiles {
    config: File,
    credentials: File,
    selected: String,
}

#[derive(Default)]
struct File {
    path: String,
    content: SharedFile,
}

/// A profile, with its sections in both files.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    pub(super) name: &'a str,
    pub(super) config: Option<&'a shared_file::Section>,
    pub(super) credentials: Option<&'a shared_file::Section>,
    files: &'a Profiles,
}

impl Profiles {
    /// Reads the files of an SDK. Adds a note for each file that cannot be used.
    pub(super) fn read(sdk: &Sdk, surroundings: &Surroundings<'_>, notes: &mut Vec<Note>) -> Self {
        let path = |variable: &str, name: &str| {
            let path = surroundings.variable(variable).or_else(|| surroundings.in_home(name))?;
            Some(surroundings.expand_home(path))
        };
        let config = path("AWS_CONFIG_FILE", "config");
        let credentials = path("AWS_SHARED_CREDENTIALS_FILE", "credentials");
        let (config, credentials) = match sdk.files {
            Files::Both => (config, credentials),
            Files::LoadConfig => {
                let is_loaded =
                    surroundings.variable("AWS_SDK_LOAD_CONFIG").is_some_and(|text| text != "0" && text != "false");
                (config.filter(|_| is_loaded), credentials)
            }
            Files::JavaV1 => {
                let path = surroundings.variable("AWS_CREDENTIAL_PROFILES_FILE");
                let in_home = || Some(format!("{}/.aws/credentials", surroundings.home_of_user()?));
                (None, path.or_else(in_home))
            }
            Files::ConfigInHome => (surroundings.in_home("config"), credentials),
            Files::CredentialsInHome => (config, path("CPL_AWS_CREDENTIALS_FILE", "credentials")),
            Files::None => (None, None),
        };
        let variables: &[&str] = match () {
            () if sdk.has(Quirks::DEFAULT_PROFILE_FIRST) => &["AWS_DEFAULT_PROFILE", "AWS_PROFILE"],
            () if sdk.has(Quirks::DEFAULT_PROFILE) => &["AWS_PROFILE", "AWS_DEFAULT_PROFILE"],
            () => &["AWS_PROFILE"],
        };
        let mut read = |kind, path| File::read(kind, path, surroundings, notes);
        Self {
            config: read(FileKind::Config, config),
            credentials: read(FileKind::Credentials, credentials),
            selected: surroundings.first_of(variables).map_or_else(|| "default".to_owned(), |(_, name)| name),
        }
    }

    /// Returns the profile that the SDK selects.
    pub(super) fn selected(&self) -> Section<'_> {
        self.section(&self.selected)
    }

    /// Returns true if a variable selects a profile that no file has.
    pub(super) fn is_missing(&self) -> bool {
        let profile = self.selected();
        self.selected != "default" && profile.config.is_none() && profile.credentials.is_none()
    }

    /// Returns a profile by its name. Both of its sections may be missing.
    pub(super) fn section<'a>(&'a self, name: &'a str) -> Section<'a> {
        Section {
            name,
            config: self.config.content.profiles.named(name),
            credentials: self.credentials.content.profiles.named(name),
            files: self,
        }
    }
}

impl File {
    fn read(kind: FileKind, path: Option<String>, surroundings: &Surroundings<'_>, notes: &mut Vec<Note>) -> Self {
        let Some(path) = path else { return Self::default() };
        let content = match surroundings.read(&path) {
            Err(error) if error.is_not_found() => SharedFile::default(),
            Err(error) => {
                notes.push(Note::new(format!("cannot read {path}: {error}"), "make the file readable for this user"));
                SharedFile::default()
            }
            Ok(bytes) => shared_file::read(kind, &bytes).unwrap_or_else(|error| {
                notes.push(Note::new(
                    format!("{path}: {error}"),
                    "correct the file; SDKs differ in what they make of it",
                ));
                SharedFile::default()
            }),
        };
        Self { path, content }
    }
}

impl<'a> Section<'a> {
    /// Returns a value of the profile. The credentials file takes precedence.
    pub(super) fn value(&self, key: &str) -> Option<&'a str> {
        let value = |section: Option<&'a shared_file::Section>| section?.value(key).filter(|value| !value.is_empty());
        value(self.credentials).or_else(|| value(self.config))
    }

    /// Returns the name of the profile and the path of its file.
    pub(super) fn origin(&self) -> String {
        let file = if self.credentials.is_some() { &self.files.credentials } else { &self.files.config };
        format!("profile {} in {}", self.name, file.path)
    }
}
