//! The two shared files, found and read, and a profile in them with the place of each of its values.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use crate::settings::setting::pick;
use crate::{
    cli::IdentityArgs,
    config::sts_settings::StsKeys,
    settings::{environment::Environment, errors::ConfigErrors, setting::Setting},
    shared_file::{self, FileKind, Section, SharedFile},
};

/// Which profiles are wanted, of which file.
pub(crate) struct ProfileSelection {
    /// The config file that was named.
    config: Option<Setting>,
    /// The profiles that were named.
    names: Vec<Setting>,
    all: bool,
}

impl ProfileSelection {
    pub(crate) fn of(args: &IdentityArgs, env: &dyn Environment) -> Self {
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

/// The default profile of the home directory's config file, where there is one.
pub(crate) fn default_of_home(env: &dyn Environment) -> Option<ProfileSelection> {
    let bytes = std::fs::read(home_file(env, "config")?).ok()?;
    // A file that cannot be read as one is reported by whoever uses it.
    let has_default =
        shared_file::read(FileKind::Config, &bytes).map_or(true, |file| file.profiles.named("default").is_some());
    has_default.then_some(ProfileSelection { config: None, names: Vec::new(), all: false })
}

/// Both files, merged as SDKs merge them.
pub(super) struct Files {
    merged: SharedFile,
    config_path: PathBuf,
    credentials_path: PathBuf,
}

impl Files {
    pub(super) fn read(selection: &ProfileSelection, env: &dyn Environment, errors: &mut ConfigErrors) -> Option<Self> {
        let config_path = match &selection.config {
            Some(setting) => Some(expand_home(&setting.text, env)),
            None => home_file(env, "config"),
        };
        let credentials_path = match env.text("AWS_SHARED_CREDENTIALS_FILE") {
            Some(text) => Some(expand_home(&text, env)),
            None => home_file(env, "credentials"),
        };
        let Some(config_path) = config_path else {
            errors.add("no AWS config file: HOME is not set; name one with --config");
            return None;
        };
        let config = read(FileKind::Config, &config_path, selection.config.as_ref(), errors);
        // Without HOME there is no credentials file to look for, and none is needed.
        let credentials_path = credentials_path.unwrap_or_default();
        let credentials = if credentials_path.as_os_str().is_empty() {
            Some(SharedFile::default())
        } else {
            read(FileKind::Credentials, &credentials_path, None, errors)
        };
        Some(Self { merged: shared_file::merge(config?, credentials?), config_path, credentials_path })
    }

    /// The names of the profiles that are wanted; those that do not exist are mistakes.
    pub(super) fn selected_names(&self, selection: &ProfileSelection, errors: &mut ConfigErrors) -> Vec<String> {
        if selection.all {
            let with_role = self.merged.profiles.iter().filter(|section| section.value("role_arn").is_some());
            let names: Vec<_> = with_role.map(|section| section.name.clone()).collect();
            if names.is_empty() {
                errors.add(format!("--all-profiles: no profile in {} has a role_arn", self.config_path.display()));
            }
            return names;
        }
        let default = [Setting { text: "default".into(), origin: "the default profile".into() }];
        let asked = if selection.names.is_empty() { default.as_slice() } else { &selection.names };
        let mut names: Vec<String> = Vec::new();
        for Setting { text: name, origin } in asked {
            if self.profile(name).is_none() {
                errors.add(format!("{origin}: no profile {name} in {}{}", self.config_path.display(), self.hint()));
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

    /// The profiles that there are.
    fn hint(&self) -> String {
        let names: Vec<_> = self.merged.profiles.iter().map(|section| section.name.as_str()).take(8).collect();
        if names.is_empty() { "; it has none".into() } else { format!("; it has {}", names.join(", ")) }
    }
}

fn read(kind: FileKind, path: &Path, named_by: Option<&Setting>, errors: &mut ConfigErrors) -> Option<SharedFile> {
    match std::fs::read(path) {
        Ok(bytes) => match shared_file::read(kind, &bytes) {
            Ok(file) => Some(file),
            Err(error) => {
                errors.add(format!("{}: {error}", path.display()));
                None
            }
        },
        // A file that nobody named need not exist.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && named_by.is_none() => Some(SharedFile::default()),
        Err(error) => {
            let origin = named_by.map_or_else(|| kind.to_string(), |setting| setting.origin.clone());
            errors.add(format!("{origin}: {}: {}", path.display(), error.kind()));
            None
        }
    }
}

pub(crate) fn home_file(env: &dyn Environment, name: &str) -> Option<PathBuf> {
    Some(Path::new(&env.text("HOME")?).join(".aws").join(name))
}

/// SDKs take a leading `~/` in the variables that name these files.
pub(crate) fn expand_home(text: &str, env: &dyn Environment) -> PathBuf {
    match (text.strip_prefix("~/"), env.text("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => text.into(),
    }
}

/// A profile of both files.
#[derive(Clone, Copy)]
pub(super) struct FileProfile<'a> {
    section: &'a Section,
    files: &'a Files,
}

impl<'a> FileProfile<'a> {
    pub(super) fn name(&self) -> &'a str {
        &self.section.name
    }

    /// What no other profile of this or another file is called.
    pub(super) fn identity(&self) -> String {
        format!("{} [{}]", self.files.path(self.section.file).display(), self.name())
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a str> {
        self.section.value(key)
    }

    /// A value with its place.
    pub(super) fn setting(&self, key: &str) -> Option<Setting> {
        Some(Setting { text: self.value(key)?.to_owned(), origin: self.place(key) })
    }

    /// The items of a value, between commas.
    pub(super) fn setting_list(&self, key: &str) -> Vec<Setting> {
        let items = self.value(key).unwrap_or_default().split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(|text| Setting { text: text.to_owned(), origin: self.place(key) }).collect()
    }

    fn place(&self, key: &str) -> String {
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
                errors.add(format!("{}: there is no section [services {services}]", self.place("services")));
                return None;
            };
            if let Some(url) = section.nested("sts").and_then(|sts| sts.get("endpoint_url")) {
                return Some((url.clone(), format!("[services {services}]: sts endpoint_url")));
            }
        }
        self.key("endpoint_url")
    }
}
