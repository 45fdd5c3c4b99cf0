//! What the sinks' flags and variables mean.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use crate::{
    arn::{NotValid, parse_duration},
    cli::{ListenArgs, SinkArgs},
    plan::ChainPlan,
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{pick, pick_list},
    },
    shared_file::check_section_name,
};

/// The address of the endpoint where none is given.
pub(crate) const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9911);

/// The mode of written files where none is given: for their owner alone.
pub(crate) const DEFAULT_FILE_MODE: u32 = 0o600;

/// Where `credvend run` listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listeners {
    /// Addresses of the container credentials endpoint.
    pub(crate) credentials: Vec<SocketAddr>,
    /// Address of the probes.
    pub(crate) admin: Option<SocketAddr>,
}

/// The config file whose profiles ask this process.
#[derive(Clone, Debug)]
pub(crate) struct ConfigFileSettings {
    /// Where it is written.
    pub(crate) path: PathBuf,
    /// The binary as its readers find it, where that is not this process's own.
    pub(crate) binary: Option<PathBuf>,
}

/// Where `credvend run` puts credentials.
#[derive(Clone, Debug)]
pub(crate) struct Sinks {
    /// Sockets.
    pub(crate) listeners: Listeners,
    /// One authorization token for all profiles.
    pub(crate) auth_token_file: Option<PathBuf>,
    /// One authorization token a profile.
    pub(crate) auth_token_dir: Option<PathBuf>,
    /// The shared credentials file.
    pub(crate) credentials_file: Option<PathBuf>,
    /// The section in it, where it is not the profile's name.
    pub(crate) credentials_profile: Option<String>,
    /// The config file whose profiles ask this process.
    pub(crate) config_file: Option<ConfigFileSettings>,
    /// Where the instance metadata service listens.
    pub(crate) imds: Option<SocketAddr>,
    /// The mode of written files.
    pub(crate) file_mode: u32,
    /// How long to go on serving after SIGTERM.
    pub(crate) drain: Duration,
}

/// Reads where to listen, as `run` and those who ask it need it.
///
/// # Errors
/// Every mistake in it.
pub(crate) fn listeners(args: &ListenArgs, env: &dyn Environment) -> Result<Listeners, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let listeners = read_listeners(args, env, &mut errors);
    errors.none_or(Some(listeners))
}

/// Reads where the credentials of `chains` go.
///
/// # Errors
/// Every mistake in it.
pub(crate) fn sinks(
    args: &SinkArgs,
    once: bool,
    chains: &[ChainPlan],
    env: &dyn Environment,
) -> Result<Sinks, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let path = |flag: &Option<String>, name: &str, variable: &str| {
        pick(flag.as_ref(), name, env, &[variable]).map(|setting| PathBuf::from(setting.text))
    };
    let auth_token_file = path(&args.auth_token_file, "--auth-token-file", "CREDVEND_AUTH_TOKEN_FILE");
    let auth_token_dir = path(&args.auth_token_dir, "--auth-token-dir", "CREDVEND_AUTH_TOKEN_DIR");
    let credentials_file = path(&args.credentials_file, "--credentials-file", "CREDVEND_CREDENTIALS_FILE");
    let credentials_profile =
        pick(args.credentials_profile.as_ref(), "--credentials-profile", env, &["CREDVEND_CREDENTIALS_PROFILE"]);
    let config_file = path(&args.config_file, "--config-file", "CREDVEND_CONFIG_FILE");
    let binary = path(&args.config_file_binary, "--config-file-binary", "CREDVEND_CONFIG_FILE_BINARY");
    let imds = pick(args.imds_listen.as_ref(), "--imds-listen", env, &["CREDVEND_IMDS_LISTEN"]);
    let drain = pick(args.drain.as_ref(), "--drain", env, &["CREDVEND_DRAIN"]);
    let before = errors.len();
    let listeners = read_listeners(&args.listeners, env, &mut errors);
    let listeners_are_understood = errors.len() == before;

    if auth_token_file.is_some() && auth_token_dir.is_some() {
        errors.add(
            "--auth-token-file is one token for all profiles, --auth-token-dir one for each: give the one or the other",
        );
    }
    for address in listeners.credentials.iter().filter(|address| !is_for_this_pod_alone(address.ip())) {
        if !(args.allow_remote && (auth_token_file.is_some() || auth_token_dir.is_some())) {
            errors.add(format!(
                "--listen {address} can be reached from other machines: listen on 127.0.0.1, or give --allow-remote \
                 together with --auth-token-file"
            ));
        }
    }
    if once && credentials_file.is_none() {
        errors.add("--once fills files alone: name one with --credentials-file");
    }
    let has_nowhere = credentials_file.is_none() && imds.is_none() && listeners.credentials.is_empty();
    if !once && has_nowhere && listeners_are_understood {
        errors.add("there is nowhere to put credentials: give --listen or --credentials-file");
    }
    if config_file.is_some() && listeners.credentials.is_empty() {
        errors.add("--config-file sends its readers to the endpoint: give --listen an address");
    }
    let imds = imds.and_then(|setting| {
        let address = address(&setting.text).and_then(|address| match is_for_instance_metadata(address.ip()) {
            true => Ok(address),
            false => {
                Err(NotValid::new("must be on loopback, 169.254.169.254 or fd00:ec2::254: IMDS has no authorization"))
            }
        });
        errors.check(&setting.origin, address)
    });
    if let Some(setting) = &credentials_profile {
        if chains.len() > 1 {
            let profiles = chains.len();
            errors
                .add(format!("{} names one section, but {profiles} profiles are vended: leave it out", setting.origin));
        }
        if let Err(error) = check_section_name(&setting.text) {
            errors.add(format!("{}: {error}", setting.origin));
        }
    } else if credentials_file.is_some() {
        for ChainPlan { profile, .. } in chains {
            if let Err(error) = check_section_name(profile) {
                errors.add(format!("profile {profile}: {error} with --credentials-profile"));
            }
        }
    }
    let file_mode = read_file_mode(args.file_mode.as_ref(), env, &mut errors);
    let drain = drain.and_then(|setting| errors.check(&setting.origin, parse_duration(&setting.text)));
    errors.none_or(Some(Sinks {
        listeners,
        auth_token_file,
        auth_token_dir,
        credentials_file,
        credentials_profile: credentials_profile.map(|setting| setting.text),
        config_file: config_file.map(|path| ConfigFileSettings { path, binary }),
        imds,
        file_mode,
        drain: drain.unwrap_or_default(),
    }))
}

/// Reads the mode of written files.
///
/// # Errors
/// Where it is none.
pub(crate) fn file_mode(flag: Option<&String>, env: &dyn Environment) -> Result<u32, ConfigErrors> {
    let mut errors = ConfigErrors::default();
    let mode = read_file_mode(flag, env, &mut errors);
    errors.none_or(Some(mode))
}

fn read_file_mode(flag: Option<&String>, env: &dyn Environment, errors: &mut ConfigErrors) -> u32 {
    let Some(setting) = pick(flag, "--file-mode", env, &["CREDVEND_FILE_MODE"]) else { return DEFAULT_FILE_MODE };
    let mode = u32::from_str_radix(setting.text.trim_start_matches("0o"), 8).ok();
    // A reader is always the owner, and nobody needs to run credentials.
    let valid = mode.filter(|mode| *mode <= 0o777 && mode & 0o400 != 0 && mode & 0o111 == 0);
    let parsed = valid.ok_or_else(|| NotValid::new("must be an octal mode such as 0600 or 0640"));
    errors.check(&setting.origin, parsed).unwrap_or(DEFAULT_FILE_MODE)
}

fn read_listeners(args: &ListenArgs, env: &dyn Environment, errors: &mut ConfigErrors) -> Listeners {
    let listen = pick_list(&args.listen, "--listen", env, "CREDVEND_LISTEN");
    let mut credentials = Vec::new();
    let mut off = false;
    for setting in &listen {
        if setting.text == "none" {
            off = true;
        } else if let Some(address) = errors.check(&setting.origin, address(&setting.text))
            && !credentials.contains(&address)
        {
            credentials.push(address);
        }
    }
    match listen.first() {
        None => credentials.push(DEFAULT_LISTEN),
        Some(setting) if off && listen.len() > 1 => {
            errors.add(format!("{}: none stands alone", setting.origin));
        }
        Some(_) => {}
    }
    let admin = pick(args.admin_listen.as_ref(), "--admin-listen", env, &["CREDVEND_ADMIN_LISTEN"]);
    let admin = admin.and_then(|setting| errors.check(&setting.origin, address(&setting.text)));
    Listeners { credentials, admin }
}

fn address(text: &str) -> Result<SocketAddr, NotValid> {
    text.parse().map_err(|_| NotValid::new("must be an IP address and a port, such as 127.0.0.1:9911 or [::1]:9911"))
}

/// Loopback, and the addresses of EC2's own service.
fn is_for_instance_metadata(address: IpAddr) -> bool {
    is_loopback_or(&["169.254.169.254", "fd00:ec2::254"], address)
}

/// The addresses outside loopback where SDKs ask a container credentials endpoint without TLS: ECS's agent, and EKS Pod
/// Identity's.
pub(super) const ENDPOINT_ADDRESSES: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// Loopback, and the link-local addresses that SDKs accept for this endpoint.
pub(super) fn is_for_this_pod_alone(address: IpAddr) -> bool {
    is_loopback_or(&ENDPOINT_ADDRESSES, address)
}

fn is_loopback_or(others: &[&str], address: IpAddr) -> bool {
    address.is_loopback() || others.iter().any(|text| text.parse() == Ok(address))
}
