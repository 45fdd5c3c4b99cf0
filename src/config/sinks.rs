//! What the sinks' flags and variables mean.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{Mistakes, env::Environment, pick, pick_list};
use crate::{
    arn::{NotValid, parse_duration},
    chain::Chain,
    cli::ListenArgs,
    command::run::SinkArgs,
    shared_file::check_section_name,
};

/// The address of the endpoint where none is given.
pub const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9911);

/// The mode of written files where none is given: for their owner alone.
pub const DEFAULT_FILE_MODE: u32 = 0o600;

/// Where `credvend run` listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listeners {
    /// Addresses of the container credentials endpoint.
    pub credentials: Vec<SocketAddr>,
    /// Address of the probes.
    pub admin: Option<SocketAddr>,
}

/// The config file whose profiles ask this process.
#[derive(Clone, Debug)]
pub struct ConfigFileSettings {
    /// Where it is written.
    pub path: PathBuf,
    /// The binary as its readers find it, where that is not this process's own.
    pub binary: Option<PathBuf>,
}

/// Where `credvend run` puts credentials.
#[derive(Clone, Debug)]
pub struct Sinks {
    /// Sockets.
    pub listeners: Listeners,
    /// One authorization token for all profiles.
    pub auth_token_file: Option<PathBuf>,
    /// One authorization token a profile.
    pub auth_token_dir: Option<PathBuf>,
    /// The shared credentials file.
    pub credentials_file: Option<PathBuf>,
    /// The section in it, where it is not the profile's name.
    pub credentials_profile: Option<String>,
    /// The config file whose profiles ask this process.
    pub config_file: Option<ConfigFileSettings>,
    /// Where the instance metadata service listens.
    pub imds: Option<SocketAddr>,
    /// The mode of written files.
    pub file_mode: u32,
    /// How long to go on serving after SIGTERM.
    pub drain: Duration,
}

/// Reads where to listen, as `run` and those who ask it need it.
///
/// # Errors
/// Every mistake in it.
pub fn listeners(args: &ListenArgs, env: &dyn Environment) -> Result<Listeners, Mistakes> {
    let mut mistakes = Mistakes::default();
    let listeners = read_listeners(args, env, &mut mistakes);
    mistakes.none_or(Some(listeners))
}

/// Reads where the credentials of `chains` go.
///
/// # Errors
/// Every mistake in it.
pub fn sinks(args: &SinkArgs, once: bool, chains: &[Chain], env: &dyn Environment) -> Result<Sinks, Mistakes> {
    let mut mistakes = Mistakes::default();
    let path = |flag: &Option<String>, name: &str, variable: &str| {
        pick(flag.as_ref(), name, env, &[variable]).map(|given| PathBuf::from(given.text))
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
    let before = mistakes.0.len();
    let listeners = read_listeners(&args.listeners, env, &mut mistakes);
    let listeners_are_understood = mistakes.0.len() == before;

    if auth_token_file.is_some() && auth_token_dir.is_some() {
        mistakes.add(
            "--auth-token-file is one token for all profiles, --auth-token-dir one for each: give the one or the other",
        );
    }
    for address in listeners.credentials.iter().filter(|address| !is_for_this_pod_alone(address.ip())) {
        if !(args.allow_remote && (auth_token_file.is_some() || auth_token_dir.is_some())) {
            mistakes.add(format!(
                "--listen {address} can be reached from other machines: listen on 127.0.0.1, or give --allow-remote \
                 together with --auth-token-file"
            ));
        }
    }
    if once && credentials_file.is_none() {
        mistakes.add("--once fills files alone: name one with --credentials-file");
    }
    let has_nowhere = credentials_file.is_none() && imds.is_none() && listeners.credentials.is_empty();
    if !once && has_nowhere && listeners_are_understood {
        mistakes.add("there is nowhere to put credentials: give --listen or --credentials-file");
    }
    if config_file.is_some() && listeners.credentials.is_empty() {
        mistakes.add("--config-file sends its readers to the endpoint: give --listen an address");
    }
    let imds = imds.and_then(|given| {
        let address = address(&given.text).and_then(|address| match is_for_instance_metadata(address.ip()) {
            true => Ok(address),
            false => {
                Err(NotValid::new("must be on loopback, 169.254.169.254 or fd00:ec2::254: IMDS has no authorization"))
            }
        });
        mistakes.check(&given.origin, address)
    });
    if let Some(given) = &credentials_profile {
        if chains.len() > 1 {
            let profiles = chains.len();
            mistakes
                .add(format!("{} names one section, but {profiles} profiles are vended: leave it out", given.origin));
        }
        if let Err(error) = check_section_name(&given.text) {
            mistakes.add(format!("{}: {error}", given.origin));
        }
    } else if credentials_file.is_some() {
        for Chain { profile, .. } in chains {
            if let Err(error) = check_section_name(profile) {
                mistakes.add(format!("profile {profile}: {error} with --credentials-profile"));
            }
        }
    }
    let file_mode = read_file_mode(args.file_mode.as_ref(), env, &mut mistakes);
    let drain = drain.and_then(|given| mistakes.check(&given.origin, parse_duration(&given.text)));
    mistakes.none_or(Some(Sinks {
        listeners,
        auth_token_file,
        auth_token_dir,
        credentials_file,
        credentials_profile: credentials_profile.map(|given| given.text),
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
pub fn file_mode(flag: Option<&String>, env: &dyn Environment) -> Result<u32, Mistakes> {
    let mut mistakes = Mistakes::default();
    let mode = read_file_mode(flag, env, &mut mistakes);
    mistakes.none_or(Some(mode))
}

fn read_file_mode(flag: Option<&String>, env: &dyn Environment, mistakes: &mut Mistakes) -> u32 {
    let Some(given) = pick(flag, "--file-mode", env, &["CREDVEND_FILE_MODE"]) else { return DEFAULT_FILE_MODE };
    let mode = u32::from_str_radix(given.text.trim_start_matches("0o"), 8).ok();
    // A reader is always the owner, and nobody needs to run credentials.
    let valid = mode.filter(|mode| *mode <= 0o777 && mode & 0o400 != 0 && mode & 0o111 == 0);
    let parsed = valid.ok_or_else(|| NotValid::new("must be an octal mode such as 0600 or 0640"));
    mistakes.check(&given.origin, parsed).unwrap_or(DEFAULT_FILE_MODE)
}

fn read_listeners(args: &ListenArgs, env: &dyn Environment, mistakes: &mut Mistakes) -> Listeners {
    let listen = pick_list(&args.listen, "--listen", env, "CREDVEND_LISTEN");
    let mut credentials = Vec::new();
    let mut off = false;
    for given in &listen {
        if given.text == "none" {
            off = true;
        } else if let Some(address) = mistakes.check(&given.origin, address(&given.text))
            && !credentials.contains(&address)
        {
            credentials.push(address);
        }
    }
    match listen.first() {
        None => credentials.push(DEFAULT_LISTEN),
        Some(given) if off && listen.len() > 1 => {
            mistakes.add(format!("{}: none stands alone", given.origin));
        }
        Some(_) => {}
    }
    let admin = pick(args.admin_listen.as_ref(), "--admin-listen", env, &["CREDVEND_ADMIN_LISTEN"]);
    let admin = admin.and_then(|given| mistakes.check(&given.origin, address(&given.text)));
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
