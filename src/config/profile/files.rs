//! Finds and reads the two shared files, and provides their profiles. Each value of a profile has its origin: file and line.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    bounded_file::{self, FifoPolicy, ReadError},
    cli::IdentityArgs,
    config::sts_settings::StsKeys,
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{Setting, pick},
    },
    shared_file::{self, FileKind, Section, SharedFile},
};

/// Maximum size of a shared file, in bytes.
pub(crate) const MAX_SHARED_FILE: u64 = 1024 * 1024;

/// The profiles to vend, and the config file that defines them.
pub(crate) struct ProfileSelection {
    /// The config file from the flag or variable; `None` for the default file.
    config: Option<Setting>,
    /// The profiles from the flag or variable; empty for the default profile.
    names: Vec<Setting>,
    all: bool,
}

impl ProfileSelection {
    pub(crate) fn read(args: &IdentityArgs, env: &dyn Environment) -> Self {
        let setting = |text: &String, origin: &str| Setting { text: text.clone(), origin: origin.to_owned() };
        let names = if args.profile.is_empty() && !args.all_profiles {
            env.text("AWS_PROFILE").iter().map(|name| setting(name, "AWS_PROFILE")).collect()
        } else {
            args.profile.iter().map(|name| setting(name, "--profile")).collect()
        };
        Self {
            config: pick(args.config.as_ref(), "--config", env, &["AWS_CONFIG_FILE"]),
            names,
            all: args.all_profiles,
        }
    }
}

/// Selects the default profile of the config file in the home directory, if that file has one.
pub(crate) fn default_in_home(env: &dyn Environment) -> Option<ProfileSelection> {
    let has_default = match bounded_file::read_bytes(&home_file(env, "config")?, MAX_SHARED_FILE, FifoPolicy::Refuse) {
        Ok(bytes) => {
            shared_file::read(FileKind::Config, &bytes).map_or(true, |file| file.profiles.named("default").is_some())
        }
        Err(ReadError::Io(_)) => false,
        // Select a file that cannot be used, so that reading it reports the error. The same applies to a malformed file.
        Err(_) => true,
    };
    has_default.then_some(ProfileSelection { config: None, names: Vec::new(), all: false })
}

/// Both files, merged in the same way as in SDKs.
pub(super) struct Files {
    merged: SharedFile,
    config_path: PathBuf,
    credentials_path: PathBuf,
}

impl Files {
    pub(super) fn read(
        selection: &ProfileSelection,
        env: &dyn Environment,
        fifos: FifoPolicy,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let config_path = match &selection.config {
            Some(setting) => Some(expand_home(&setting.text, env)),
            None => home_file(env, "config"),
        };
        let credentials_path = match env.text("AWS_SHARED_CREDENTIALS_FILE") {
            Some(text) => Some(expand_home(&text, env)),
            None => home_file(env, "credentials"),
        };
        let Some(config_path) = config_path else {
            errors.add("no AWS config file: HOME is not set; specify a file with --config");
            return None;
        };
        let config = read(FileKind::Config, &config_path, selection.config.as_ref(), fifos, errors);
        // Without HOME there is no default credentials file. The credentials file is optional.
        let credentials_path = credentials_path.unwrap_or_default();
        let credentials = if credentials_path.as_os_str().is_empty() {
            Some(SharedFile::default())
        } else {
            read(FileKind::Credentials, &credentials_path, None, fifos, errors)
        };
        Some(Self { merged: shared_file::merge(config?, credentials?), config_path, credentials_path })
    }

    /// Returns the names of the selected profiles. Adds an error for each profile that does not exist.
    pub(super) fn selected_names(&self, selection: &ProfileSelection, errors: &mut ConfigErrors) -> Vec<String> {
        if selection.all {
            let with_role = self.merged.profiles.iter().filter(|section| section.value("role_arn").is_some());
            let names: Vec<_> = with_role.map(|section| section.name.clone()).collect();
            if names.is_empty() {
                errors.add(format!(
                    "--all-profiles: no profile in {} has a role_arn; set one",
                    self.config_path.display()
                ));
            }
            return names;
        }
        let default = [Setting { text: "default".into(), origin: "the default profile".into() }];
        let selected = if selection.names.is_empty() { default.as_slice() } else { &selection.names };
        let mut names: Vec<String> = Vec::new();
        for Setting { text: name, origin } in selected {
            if self.profile(name).is_none() {
                errors.add(format!(
                    "{origin}: no profile {name} in {}; {}",
                    self.config_path.display(),
                    self.available_profiles()
                ));
            } else if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    pub(super) fn profile(&self, name: &str) -> Option<FileProfile<'_>> {
        self.merged.profiles.named(name).map(|section| FileProfile { section, files: self })
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.merged.warnings.iter().map(|warning| format!("{}: {warning}", self.path(warning.file).display())).collect()
    }

    fn path(&self, kind: FileKind) -> &Path {
        match kind {
            FileKind::Config => &self.config_path,
            FileKind::Credentials => &self.credentials_path,
        }
    }

    /// Returns what to do about a missing profile: lists up to 8 of the existing profiles.
    fn available_profiles(&self) -> String {
        let names: Vec<_> = self.merged.profiles.iter().map(|section| section.name.as_str()).take(8).collect();
        if names.is_empty() { "add a profile".into() } else { format!("use one of: {}", names.join(", ")) }
    }
}

/// Reads one file. `setting` is the flag or variable that sets its path; a file at the default path may be missing.
fn read(
    kind: FileKind,
    path: &Path,
    setting: Option<&Setting>,
    fifos: FifoPolicy,
    errors: &mut ConfigErrors,
) -> Option<SharedFile> {
    match bounded_file::read_bytes(path, MAX_SHARED_FILE, fifos) {
        Ok(bytes) => match shared_file::read(kind, &bytes) {
            Ok(file) => Some(file),
            Err(error) => {
                errors.add(format!("{}: {error}", path.display()));
                None
            }
        },
        Err(error) if error.is_not_found() && setting.is_none() => Some(SharedFile::default()),
        Err(error) => {
            let origin = setting.map_or_else(|| kind.to_string(), |setting| setting.origin.clone());
            let path = path.display();
            errors.add(format!("{origin}: cannot read {path}: {error}; check the path and the permissions"));
            None
        }
    }
}

pub(crate) fn home_file(env: &dyn Environment, name: &str) -> Option<PathBuf> {
    Some(Path::new(&env.text("HOME")?).join(".aws").join(name))
}

/// Expands a leading `~/` to the home directory, as SDKs do in the variables for these files.
pub(crate) fn expand_home(text: &str, env: &dyn Environment) -> PathBuf {
    match (text.strip_prefix("~/"), env.text("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => text.into(),
    }
}

/// A profile in the merged files.
#[derive(Clone, Copy)]
pub(super) struct FileProfile<'a> {
    section: &'a Section,
    files: &'a Files,
}

impl<'a> FileProfile<'a> {
    pub(super) fn name(&self) -> &'a str {
        &self.section.name
    }

    /// Returns a name that is unique among the profiles of all files.
    pub(super) fn identity(&self) -> String {
        format!("{} [{}]", self.files.path(self.section.file).display(), self.name())
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a str> {
        self.section.value(key)
    }

    /// Returns the value of a key and its origin.
    pub(super) fn setting(&self, key: &str) -> Option<Setting> {
        Some(Setting { text: self.value(key)?.to_owned(), origin: self.origin(key) })
    }

    /// Returns the comma-separated items of a value.
    pub(super) fn setting_list(&self, key: &str) -> Vec<Setting> {
        let items = self.value(key).unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|text| Setting { text: text.to_owned(), origin: self.origin(key) }).collect()
    }

    fn origin(&self, key: &str) -> String {
        let kind = self.section.file_of(key).unwrap_or(self.section.file);
        let line = self.section.line_of(key).unwrap_or(self.section.line);
        format!("profile {}: {key} ({}, line {line})", self.name(), self.files.path(kind).display())
    }
}

impl fmt::Display for FileProfile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Section { name, file, line, .. } = self.section;
        write!(f, "profile {name} ({}, line {line})", self.files.path(*file).display())
    }
}

impl StsKeys for FileProfile<'_> {
    fn key(&self, name: &str) -> Option<(String, String)> {
        self.setting(name).map(|Setting { text, origin }| (text, origin))
    }

    fn endpoint_url(&self, errors: &mut ConfigErrors) -> Option<(String, String)> {
        if let Some(services) = self.value("services") {
            let Some(section) = self.files.merged.services.named(services) else {
                errors.add(format!(
                    "{}: section [services {services}] does not exist; add the section or correct the name",
                    self.origin("services")
                ));
                return None;
            };
            if let Some(url) = section.nested("sts").and_then(|sts| sts.get("endpoint_url")) {
                return Some((url.clone(), format!("[services {services}]: sts endpoint_url")));
            }
        }
        self.key("endpoint_url")
    }
}
