//! The table of SDKs.

use super::Source::{self, *};

/// An SDK or program: a row of the table.
#[derive(Debug)]
pub(crate) struct Sdk {
    /// Name for `--sdk` and for programs.
    pub(crate) id: &'static str,
    pub(crate) name: &'static str,
    /// The sources in order of precedence.
    pub(super) order: &'static [Source],
    pub(super) files: Files,
    pub(super) quirks: Quirks,
    /// The variables with the region, if the SDK needs one to call STS or a service. A profile can set it too.
    pub(super) regions: &'static [&'static str],
    /// The variable with the URL of the instance metadata service; empty if the SDK has no such variable.
    pub(super) imds_variable: &'static str,
}

const IMDS: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";

/// Which shared files an SDK reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Files {
    /// Both files, at the paths in `AWS_CONFIG_FILE` and `AWS_SHARED_CREDENTIALS_FILE`.
    Both,
    /// Both files; the config file only with `AWS_SDK_LOAD_CONFIG`.
    LoadConfig,
    /// Only the file in `AWS_CREDENTIAL_PROFILES_FILE` or the credentials file in the home directory.
    JavaV1,
    /// The config file only in the home directory.
    ConfigInHome,
    /// The credentials file only in the home directory, or in `CPL_AWS_CREDENTIALS_FILE`.
    CredentialsInHome,
    None,
}

/// Deviations of an SDK: a set of flags.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quirks(u64);

#[rustfmt::skip]
impl Quirks {
    /// Tries the next source if one does not work. Other SDKs fail.
    pub(super) const FALLS_THROUGH: Self = Self(1);
    /// Ignores access keys in variables if `AWS_PROFILE` is set.
    pub(super) const PROFILE_BEFORE_KEYS: Self = Self(1 << 1);
    /// Reads `AWS_DEFAULT_PROFILE` before `AWS_PROFILE`.
    pub(super) const DEFAULT_PROFILE_FIRST: Self = Self(1 << 2);
    /// Reads `AWS_DEFAULT_PROFILE` after `AWS_PROFILE`.
    pub(super) const DEFAULT_PROFILE: Self = Self(1 << 3);
    /// Prefers the full URI to the relative one.
    pub(super) const FULL_URI_FIRST: Self = Self(1 << 4);
    /// Uses an empty relative URI, and fails.
    pub(super) const EMPTY_RELATIVE_URI: Self = Self(1 << 5);
    /// Uses an empty full URI, and fails.
    pub(super) const EMPTY_FULL_URI: Self = Self(1 << 6);
    /// Asks instance metadata if the container endpoint does not work.
    pub(super) const METADATA_AFTER_CONTAINER: Self = Self(1 << 7);
    /// Tries no other source if web identity does not work.
    pub(super) const WEB_IDENTITY_IS_FINAL: Self = Self(1 << 8);
    /// Does not support `credential_source = EcsContainer`.
    pub(super) const NO_CONTAINER_SOURCE: Self = Self(1 << 9);
    /// Sends no request to an address of the loopback interface to a proxy, and ignores `ALL_PROXY`.
    pub(super) const NO_PROXY_FOR_LOOPBACK: Self = Self(1 << 10);
    /// Has no full URI.
    pub(super) const NO_FULL_URI: Self = Self(1 << 11);
    /// Ignores the full URI without a token file.
    pub(super) const TOKEN_FILE_REQUIRED: Self = Self(1 << 12);
    /// Prefers the token in the variable to the token file.
    pub(super) const TOKEN_BEFORE_FILE: Self = Self(1 << 13);
    /// Removes white space around the token in the variable.
    pub(super) const TOKEN_VARIABLE_TRIMMED: Self = Self(1 << 14);
    /// Sends no token with a relative URI.
    pub(super) const TOKEN_NEEDS_FULL_URI: Self = Self(1 << 15);
    /// Removes white space around the token.
    pub(super) const TOKEN_TRIMMED: Self = Self(1 << 16);
    /// Sends the token in the token file only with a full URI.
    pub(super) const TOKEN_FILE_NEEDS_FULL_URI: Self = Self(1 << 17);
    /// Uses the proxy of the environment for the container endpoint.
    pub(super) const PROXY: Self = Self(1 << 18);
    /// Uses the proxy of the environment for instance metadata.
    pub(super) const IMDS_PROXY: Self = Self(1 << 19);
    /// Reads `http_proxy` only in lower case, as libcurl does.
    pub(super) const LOWER_CASE_PROXY: Self = Self(1 << 20);
    /// Does not understand networks in `NO_PROXY`.
    pub(super) const NO_NETWORKS: Self = Self(1 << 21);
    /// Fails if a variable names a profile that does not exist, even if there are access keys in other variables.
    pub(super) const PROFILE_REQUIRED: Self = Self(1 << 22);
    /// Ignores `AWS_EC2_METADATA_DISABLED`.
    pub(super) const IMDS_ALWAYS: Self = Self(1 << 23);
    /// Fails if one half of a pair of access keys is missing in the environment.
    pub(super) const HALF_A_PAIR_FAILS: Self = Self(1 << 24);
    /// Also reads `AWS_ACCESS_KEY` and `AWS_SECRET_KEY`.
    pub(super) const OTHER_KEY_NAMES: Self = Self(1 << 25);
    /// Fails if there is a token file but no role.
    pub(super) const ROLE_REQUIRED: Self = Self(1 << 26);
    /// Accepts 127.0.0.0/24 only, of the addresses of the loopback interface.
    pub(super) const NARROW_LOOPBACK: Self = Self(1 << 27);
    /// Accepts no address of a container agent, except for a relative URI.
    pub(super) const LOOPBACK_ONLY: Self = Self(1 << 28);
    /// Accepts every host if there is a token file.
    pub(super) const ANY_HOST_WITH_TOKEN_FILE: Self = Self(1 << 29);
    /// Accepts every host.
    pub(super) const ANY_HOST: Self = Self(1 << 30);
    /// Sends no authorization token.
    pub(super) const TOKEN_IGNORED: Self = Self(1 << 31);
    /// Was not compared with the SDK itself: the row is from its source code or documentation.
    pub(super) const UNVERIFIED: Self = Self(1 << 32);
    /// Splits `credential_process` at spaces, and requires an argument.
    pub(super) const PROCESS_SPLIT_AT_SPACES: Self = Self(1 << 33);

    /// Uses SSO if a profile has any of its keys, even `sso_region` alone.
    pub(super) const ANY_SSO_KEY: Self = Self(1 << 34);
    /// Uses SSO if a profile has `sso_role_name`, and not for `sso_start_url` alone.
    pub(super) const SSO_ROLE_NAME: Self = Self(1 << 35);

    /// Uses no other source of a profile if the first one of the profile does not work.
    pub(super) const ONE_SOURCE_OF_PROFILE: Self = Self(1 << 36);

    /// Leaves a profile whose settings of SSO name neither a session nor a role.
    pub(super) const SSO_NEEDS_ROLE: Self = Self(1 << 37);

    const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Sdk {
    /// Returns true if this row was compared with the SDK itself.
    pub(crate) fn is_verified(&self) -> bool {
        !self.has(Quirks::UNVERIFIED)
    }

    /// Returns the keys of a profile with which the SDK uses SSO.
    pub(super) fn sso_keys(&self) -> &'static [&'static str] {
        if self.has(Quirks::ANY_SSO_KEY) {
            &["sso_session", "sso_start_url", "sso_region", "sso_account_id", "sso_role_name"]
        } else if self.has(Quirks::SSO_ROLE_NAME) {
            &["sso_session", "sso_account_id", "sso_role_name"]
        } else {
            &["sso_session", "sso_start_url", "sso_account_id"]
        }
    }

    /// Returns true if the SDK deviates in this way.
    pub(super) fn has(&self, quirk: Quirks) -> bool {
        self.quirks.0 & quirk.0 != 0
    }
}

/// All SDKs and programs, in the order of the output.
#[rustfmt::skip]
pub(crate) static SDKS: [Sdk; 16] = [
    Sdk {
        id: "boto3", name: "boto3, AWS CLI", files: Files::Both, regions: &["AWS_DEFAULT_REGION"],
        imds_variable: IMDS, order: &[Environment, Role, WebIdentity, ProfileWebIdentity, Sso, CredentialsFileKeys, Login, Process, ConfigFileKeys, Container, InstanceMetadata],
        quirks: Quirks::DEFAULT_PROFILE_FIRST.and(Quirks::EMPTY_RELATIVE_URI).and(Quirks::EMPTY_FULL_URI).and(Quirks::HALF_A_PAIR_FAILS)
            .and(Quirks::ROLE_REQUIRED).and(Quirks::IMDS_PROXY).and(Quirks::NO_NETWORKS).and(Quirks::PROFILE_REQUIRED)
            .and(Quirks::SSO_ROLE_NAME),
    },
    Sdk {
        id: "go-v1", name: "Go v1", files: Files::LoadConfig, regions: &["AWS_REGION", "AWS_DEFAULT_REGION"],
        imds_variable: IMDS, order: &[Environment, WebIdentity, Role, Keys, ProfileWebIdentity, Sso, Process, Container, InstanceMetadata],
        quirks: Quirks::FULL_URI_FIRST.and(Quirks::OTHER_KEY_NAMES).and(Quirks::ROLE_REQUIRED)
            .and(Quirks::PROXY).and(Quirks::IMDS_PROXY).and(Quirks::NO_PROXY_FOR_LOOPBACK),
    },
    Sdk {
        id: "go-v2", name: "Go v2", files: Files::Both, regions: &["AWS_REGION", "AWS_DEFAULT_REGION"],
        imds_variable: IMDS, order: &[Environment, WebIdentity, Role, Keys, ProfileWebIdentity, Sso, Login, Process, Container, InstanceMetadata],
        quirks: Quirks::DEFAULT_PROFILE.and(Quirks::OTHER_KEY_NAMES).and(Quirks::ROLE_REQUIRED).and(Quirks::PROFILE_REQUIRED)
            .and(Quirks::PROXY).and(Quirks::IMDS_PROXY).and(Quirks::NO_PROXY_FOR_LOOPBACK),
    },
    Sdk {
        id: "java-v1", name: "Java v1", files: Files::JavaV1, regions: &["AWS_REGION"],
        imds_variable: IMDS, order: &[Environment, WebIdentity, Role, Process, Keys, Container, InstanceMetadata],
        quirks: Quirks::FALLS_THROUGH.and(Quirks::EMPTY_RELATIVE_URI).and(Quirks::EMPTY_FULL_URI).and(Quirks::TOKEN_BEFORE_FILE).and(Quirks::TOKEN_NEEDS_FULL_URI).and(Quirks::OTHER_KEY_NAMES),
    },
    Sdk {
        id: "java-v2", name: "Java v2", files: Files::Both, regions: &["AWS_REGION"],
        imds_variable: IMDS, order: &[Environment, WebIdentity, ProfileWebIdentity, Sso, Role, Login, Process, Keys, Container, InstanceMetadata],
        quirks: Quirks::FALLS_THROUGH.and(Quirks::TOKEN_BEFORE_FILE).and(Quirks::TOKEN_VARIABLE_TRIMMED).and(Quirks::EMPTY_RELATIVE_URI).and(Quirks::METADATA_AFTER_CONTAINER)
            .and(Quirks::ANY_SSO_KEY).and(Quirks::ONE_SOURCE_OF_PROFILE),
    },
    Sdk {
        id: "javascript-v3", name: "JavaScript v3", files: Files::Both, regions: &["AWS_REGION"],
        imds_variable: IMDS, order: &[Environment, Role, Keys, ProfileWebIdentity, Process, Sso, Login, WebIdentity, Container, InstanceMetadata],
        quirks: Quirks::PROFILE_BEFORE_KEYS,
    },
    Sdk {
        id: "rust", name: "Rust", files: Files::Both, regions: &["AWS_REGION", "AWS_DEFAULT_REGION"],
        imds_variable: IMDS, order: &[Environment, Role, ProfileWebIdentity, Sso, Login, Process, Keys, WebIdentity, Container, InstanceMetadata],
        quirks: Quirks::EMPTY_RELATIVE_URI.and(Quirks::EMPTY_FULL_URI).and(Quirks::PROXY).and(Quirks::IMDS_PROXY).and(Quirks::ANY_SSO_KEY)
            .and(Quirks::SSO_NEEDS_ROLE),
    },
    Sdk {
        id: "dotnet", name: ".NET", files: Files::Both, regions: &["AWS_REGION"],
        imds_variable: IMDS, order: &[Environment, WebIdentity, Role, ProfileWebIdentity, Sso, Process, Keys, Container, InstanceMetadata],
        quirks: Quirks::UNVERIFIED.and(Quirks::FALLS_THROUGH).and(Quirks::PROFILE_REQUIRED),
    },
    Sdk {
        id: "cpp", name: "C++", files: Files::Both, regions: &[],
        imds_variable: IMDS, order: &[Environment, Keys, Process, WebIdentity, ProfileWebIdentity, Sso, Container, InstanceMetadata],
        quirks: Quirks::FALLS_THROUGH.and(Quirks::NARROW_LOOPBACK).and(Quirks::TOKEN_TRIMMED),
    },
    Sdk {
        id: "crt", name: "Common Runtime", files: Files::Both, regions: &[],
        imds_variable: IMDS, order: &[Environment, Role, Keys, Process, WebIdentity, ProfileWebIdentity, Container, InstanceMetadata],
        quirks: Quirks::FALLS_THROUGH,
    },
    Sdk {
        id: "php", name: "PHP", files: Files::ConfigInHome, regions: &["AWS_REGION"],
        imds_variable: IMDS, order: &[Environment, WebIdentity, ProfileWebIdentity, Sso, Login, Process, Role, Keys, Container, InstanceMetadata],
        quirks: Quirks::UNVERIFIED.and(Quirks::FALLS_THROUGH),
    },
    Sdk {
        id: "ruby", name: "Ruby", files: Files::Both, regions: &["AWS_REGION", "AMAZON_REGION", "AWS_DEFAULT_REGION"],
        imds_variable: IMDS, order: &[Environment, WebIdentity, ProfileWebIdentity, Sso, Role, Keys, Process, Container, InstanceMetadata],
        quirks: Quirks::UNVERIFIED.and(Quirks::DEFAULT_PROFILE).and(Quirks::TOKEN_TRIMMED),
    },
    Sdk {
        id: "object_store", name: "object_store", files: Files::None, regions: &[],
        imds_variable: "AWS_METADATA_ENDPOINT", order: &[Environment, WebIdentity, Container, InstanceMetadata],
        quirks: Quirks::HALF_A_PAIR_FAILS.and(Quirks::EMPTY_RELATIVE_URI).and(Quirks::TOKEN_FILE_REQUIRED).and(Quirks::TOKEN_NEEDS_FULL_URI).and(Quirks::ANY_HOST).and(Quirks::PROXY)
            .and(Quirks::IMDS_PROXY).and(Quirks::IMDS_ALWAYS),
    },
    Sdk {
        id: "minio-go", name: "minio-go", files: Files::Both, regions: &[],
        imds_variable: "", order: &[Environment, Keys, Sso, Process, WebIdentity, Container, InstanceMetadata],
        quirks: Quirks::FALLS_THROUGH.and(Quirks::TOKEN_FILE_NEEDS_FULL_URI).and(Quirks::WEB_IDENTITY_IS_FINAL).and(Quirks::HALF_A_PAIR_FAILS).and(Quirks::ROLE_REQUIRED)
            .and(Quirks::PROXY).and(Quirks::IMDS_PROXY).and(Quirks::NO_PROXY_FOR_LOOPBACK).and(Quirks::LOOPBACK_ONLY).and(Quirks::ANY_HOST_WITH_TOKEN_FILE)
            .and(Quirks::IMDS_ALWAYS).and(Quirks::PROCESS_SPLIT_AT_SPACES),
    },
    Sdk {
        id: "s3fs", name: "s3fs (-o ecs)", files: Files::CredentialsInHome, regions: &[],
        imds_variable: "", order: &[Container],
        quirks: Quirks::UNVERIFIED.and(Quirks::NO_FULL_URI).and(Quirks::TOKEN_IGNORED).and(Quirks::PROXY).and(Quirks::LOWER_CASE_PROXY),
    },
    Sdk {
        id: "libcurl", name: "GDAL (libcurl)", files: Files::CredentialsInHome, regions: &[],
        imds_variable: "CPL_AWS_EC2_API_ROOT_URL", order: &[Environment, Process, Keys, Role, Sso, WebIdentity, Container, InstanceMetadata],
        quirks: Quirks::FALLS_THROUGH.and(Quirks::DEFAULT_PROFILE_FIRST).and(Quirks::FULL_URI_FIRST).and(Quirks::TOKEN_TRIMMED).and(Quirks::NO_CONTAINER_SOURCE).and(Quirks::ANY_HOST).and(Quirks::PROXY).and(Quirks::IMDS_PROXY)
            .and(Quirks::LOWER_CASE_PROXY).and(Quirks::IMDS_ALWAYS),
    },
];
