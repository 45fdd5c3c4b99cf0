//! Finds and reads the two shared files, and provides their profiles. Each value of a profile has its origin: file and line.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::{
    bounded_file::{self, FifoPolicy, ReadError},
    cli::IdentityArgs,
    config::{session::DEFAULT_PROFILE, sts_settings::StsKeys},
    printable,
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{Setting, pick, split_arns, split_list},
    },
    shared_file::{self, FileKind, Section, SharedFile},
};

/// Maximum size of a shared file, in bytes.
pub(crate) const MAX_SHARED_FILE: u64 = 1024 * 1024;

/// Maximum number of skipped parts of the files that an error lists.
const MAX_SKIPPED_IN_ERROR: usize = 3;

const CONFIG_FLAG: &str = "--config";

/// The profiles to vend, and the config file that defines them.
pub(crate) struct ProfileSelection {
    /// The config file from the flag or variable; `None` for the default file.
    config: Option<Setting>,
    /// The profiles from the flag or variable; empty for the default profile.
    names: Vec<Setting>,
    all: bool,
}

impl ProfileSelection {
    /// Reads the selection. `AWS_PROFILE=default` selects the default profile, as an unset variable does.
    pub(crate) fn read(args: &IdentityArgs, env: &dyn Environment) -> Self {
        let setting = |text: &String, origin: &str| Setting { text: text.clone(), origin: origin.to_owned() };
        let names = if args.profile.is_empty() && !args.all_profiles {
            let name = env.text("AWS_PROFILE").filter(|name| name != DEFAULT_PROFILE);
            name.iter().map(|name| setting(name, "AWS_PROFILE")).collect()
        } else {
            args.profile.iter().map(|name| setting(name, "--profile")).collect()
        };
        Self {
            config: pick(args.config.as_ref(), CONFIG_FLAG, env, &["AWS_CONFIG_FILE"]),
            names,
            all: args.all_profiles,
        }
    }

    /// Returns true if a flag or `AWS_PROFILE` selects the profiles, so that no other source of an identity applies.
    pub(crate) fn is_explicit(&self) -> bool {
        self.all || !self.names.is_empty() || self.config_flag().is_some()
    }

    /// Returns the config file if `--config` specifies it. That file must exist.
    fn config_flag(&self) -> Option<&Setting> {
        self.config.as_ref().filter(|config| config.origin == CONFIG_FLAG)
    }
}

/// Both files, merged in the same way as in SDKs.
pub(crate) struct Files {
    merged: SharedFile,
    config_path: PathBuf,
    credentials_path: PathBuf,
    /// Why a file was not read.
    unread: Vec<String>,
}

impl Files {
    /// Reads the files. If the selection is not explicit, a default file that cannot be read counts as absent.
    pub(crate) fn read(
        selection: &ProfileSelection,
        env: &dyn Environment,
        fifos: FifoPolicy,
        errors: &mut ConfigErrors,
    ) -> Option<Self> {
        let config_path = match &selection.config {
            Some(setting) => Some(expand_home(&setting.text, env)),
            None => home_file(env, "config"),
        };
        let credentials_file = env.text("AWS_SHARED_CREDENTIALS_FILE");
        let credentials_path = match &credentials_file {
            Some(text) => Some(expand_home(text, env)),
            None => home_file(env, "credentials"),
        };
        if config_path.is_none() && selection.is_explicit() {
            errors.add("no AWS config file: HOME is not set; specify a file with --config");
            return None;
        }
        let mut reader = Reader { selection, fifos, unread: Vec::new(), errors };
        let files = [
            (FileKind::Config, &config_path, selection.config.is_none()),
            (FileKind::Credentials, &credentials_path, credentials_file.is_none()),
        ];
        let [config, credentials] = files.map(|(kind, path, is_default)| match path {
            Some(path) => reader.read(kind, path, is_default),
            // Without HOME there are no default files.
            None => Some(SharedFile::default()),
        });
        Some(Self {
            unread: reader.unread,
            merged: shared_file::merge(config?, credentials?),
            config_path: config_path.unwrap_or_default(),
            credentials_path: credentials_path.unwrap_or_default(),
        })
    }

    /// Returns the names of the selected profiles. Adds an error for each profile that does not exist.
    pub(super) fn selected_names(&self, selection: &ProfileSelection, errors: &mut ConfigErrors) -> Vec<String> {
        if selection.all {
            let with_role = self.merged.profiles.iter().filter(|section| section.value("role_arn").is_some());
            let names: Vec<_> = with_role.map(|section| section.name.clone()).collect();
            if names.is_empty() {
                errors.add(format!(
                    "--all-profiles: no profile in {} has a role_arn; set one{}",
                    self.config_path.display(),
                    self.skipped("")
                ));
            }
            return names;
        }
        let default = [Setting { text: DEFAULT_PROFILE.into(), origin: "the default profile".into() }];
        let selected = if selection.names.is_empty() { default.as_slice() } else { &selection.names };
        let mut names: Vec<String> = Vec::new();
        for Setting { text: name, origin } in selected {
            if self.profile(name).is_none() {
                errors.add(format!(
                    "{origin}: no profile {} in {}; {}{}",
                    printable::short(name),
                    self.config_path.display(),
                    self.available_profiles(),
                    self.skipped(name)
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

    /// Returns the profile that applies if none is selected.
    pub(crate) fn default_profile(&self) -> Option<FileProfile<'_>> {
        self.profile(DEFAULT_PROFILE)
    }

    pub(crate) fn warnings(&self) -> Vec<String> {
        let skipped = &self.merged.warnings;
        let skipped = skipped.iter().map(|warning| format!("{}: {warning}", self.path(warning.file).display()));
        self.unread.iter().cloned().chain(skipped).collect()
    }

    /// Returns a clause about the skipped parts of the files, which can be why a profile or a key is missing; empty if nothing
    /// was skipped. Lists the parts first that contain `name`.
    pub(super) fn skipped(&self, name: &str) -> String {
        let mut skipped = self.warnings();
        if skipped.is_empty() {
            return String::new();
        }
        skipped.sort_by_key(|warning| !warning.contains(name));
        let more = skipped.len().saturating_sub(MAX_SKIPPED_IN_ERROR);
        skipped.truncate(MAX_SKIPPED_IN_ERROR);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        format!(" (note: {}{more})", skipped.join("; "))
    }

    /// Describes the default profile, which names no credentials, for the error that no source does.
    pub(crate) fn describe_default(&self, env: &dyn Environment) -> String {
        let origin = if env.text("AWS_CONFIG_FILE").is_some() { "AWS_CONFIG_FILE" } else { "~/.aws/config" };
        let path = self.config_path.display();
        let state = match self.default_profile() {
            Some(profile) => format!("{profile} has no role_arn and no credential_process"),
            None if self.config_path.as_os_str().is_empty() => "HOME is not set".to_owned(),
            None => format!("no profile {DEFAULT_PROFILE} in {path}; {}", self.available_profiles()),
        };
        format!("the default profile of {origin}: {state}{}", self.skipped(DEFAULT_PROFILE))
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

/// Reads the files of a selection.
struct Reader<'a> {
    selection: &'a ProfileSelection,
    fifos: FifoPolicy,
    unread: Vec<String>,
    errors: &'a mut ConfigErrors,
}

impl Reader<'_> {
    /// Reads one file. Returns `None` if it cannot be used. `is_default` tells that no flag or variable names it.
    fn read(&mut self, kind: FileKind, path: &Path, is_default: bool) -> Option<SharedFile> {
        let setting = self.selection.config.as_ref().filter(|_| kind == FileKind::Config);
        let is_optional = is_default && !self.selection.is_explicit();
        let display = path.display();
        let error = match bounded_file::read_bytes(path, MAX_SHARED_FILE, self.fifos) {
            Ok(bytes) => match shared_file::read(kind, &bytes) {
                Ok(file) => return Some(file),
                // A malformed config file could name other credentials than the variables do.
                Err(error) if is_optional && kind == FileKind::Credentials => {
                    self.unread.push(format!("{display} is ignored: {error}"));
                    return Some(SharedFile::default());
                }
                Err(error) => format!("{display}: {error}"),
            },
            Err(error) if error.is_not_found() && self.selection.config_flag().is_none_or(|_| setting.is_none()) => {
                if let Some(Setting { origin, .. }) = setting {
                    self.unread.push(format!("{origin}: {display} does not exist"));
                }
                return Some(SharedFile::default());
            }
            // The home directory of another user, for example, as in images that run as root by default.
            Err(ReadError::Io(_)) if is_optional => return Some(SharedFile::default()),
            Err(error) => {
                let origin = setting.map_or_else(|| kind.to_string(), |setting| setting.origin.clone());
                format!("{origin}: cannot read {display}: {error}; check the path and the permissions")
            }
        };
        self.errors.add(error);
        None
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
pub(crate) struct FileProfile<'a> {
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

    pub(crate) fn value(&self, key: &str) -> Option<&'a str> {
        self.section.value(key)
    }

    /// Returns the value of a key and its origin.
    pub(super) fn setting(&self, key: &str) -> Option<Setting> {
        Some(Setting { text: self.value(key)?.to_owned(), origin: self.origin(key) })
    }

    /// Returns the comma-separated items of a value.
    pub(super) fn setting_list(&self, key: &str) -> Vec<Setting> {
        split_list(self.value(key).unwrap_or_default(), &self.origin(key))
    }

    /// Returns the comma-separated ARNs of a value.
    pub(super) fn setting_arns(&self, key: &str) -> Vec<Setting> {
        split_arns(self.value(key).unwrap_or_default(), &self.origin(key))
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
                    "{}: section [services {}] does not exist; add the section or correct the name{}",
                    self.origin("services"),
                    printable::short(services),
                    self.files.skipped(services)
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
