//! Listen addresses: parsed from flags and variables, and bound.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use rustix::{io::Errno, net::sockopt::set_ipv6_v6only};
use tokio::net::{TcpListener, TcpSocket};

use crate::{
    arn::NotValid,
    cli::ListenArgs,
    settings::{
        environment::Environment,
        errors::ConfigErrors,
        setting::{pick, pick_list},
    },
};

/// Default address of the container credentials endpoint.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9911);

/// Maximum number of connections that the kernel completes before they are accepted; the kernel lowers it to its own maximum. A
/// crowd that fills it makes other clients wait for a second to connect again.
const BACKLOG: u32 = 4096;

/// The addresses outside loopback to which SDKs send credential requests without TLS: those of the ECS agent and of the EKS Pod
/// Identity agent.
pub(crate) const ENDPOINT_ADDRESSES: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

/// The listen addresses of `credvend run`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listeners {
    /// Addresses of the container credentials endpoint; empty if it is turned off.
    pub(crate) credentials: Vec<SocketAddr>,
    /// Address for probes and metrics.
    pub(crate) admin: Option<SocketAddr>,
}

impl Listeners {
    /// Parses the addresses.
    ///
    /// # Errors
    /// Returns every error in them.
    pub(crate) fn parse(args: &ListenArgs, env: &dyn Environment) -> Result<Self, ConfigErrors> {
        let mut errors = ConfigErrors::default();
        let listeners = Self::read(args, env, &mut errors);
        errors.into_result(Some(listeners))
    }

    /// Parses the addresses and adds the errors in them to `errors`.
    pub(crate) fn read(args: &ListenArgs, env: &dyn Environment, errors: &mut ConfigErrors) -> Self {
        let listen = pick_list(&args.listen, "--listen", env, "CREDVEND_LISTEN");
        let mut credentials = Vec::new();
        let mut off = false;
        for setting in &listen {
            if setting.text == "none" {
                off = true;
            } else if let Some(address) = setting.check(parse_address(&setting.text), errors)
                && !credentials.contains(&address)
            {
                credentials.push(address);
            }
        }
        match listen.first() {
            None => credentials.push(DEFAULT_LISTEN),
            Some(setting) if off && listen.len() > 1 => {
                errors.add(format!("{}: none cannot be combined with addresses", setting.origin));
            }
            Some(_) => {}
        }
        let admin = pick(args.admin_listen.as_ref(), "--admin-listen", env, &["CREDVEND_ADMIN_LISTEN"]);
        let admin = admin.and_then(|setting| setting.check(parse_admin_address(&setting.text), errors));
        Self { credentials, admin }
    }
}

/// Parses an IP address and a port.
pub(crate) fn parse_address(text: &str) -> Result<SocketAddr, NotValid> {
    text.parse().map_err(|_| NotValid::new("must be an IP address and a port, such as 127.0.0.1:9911 or [::1]:9911"))
}

/// Parses an IP address and a port, or `:PORT`, which is every address of both families.
fn parse_admin_address(text: &str) -> Result<SocketAddr, NotValid> {
    let every_address = text.strip_prefix(':').and_then(|port| port.parse().ok());
    match every_address {
        Some(port) => Ok(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)),
        None => text.parse().map_err(|_| NotValid::new("must be an IP address and a port, or :PORT for every address")),
    }
}

/// Returns true for loopback addresses and for the link-local addresses that SDKs accept for a container credentials endpoint.
pub(crate) fn stays_in_pod(address: IpAddr) -> bool {
    is_loopback_or(&ENDPOINT_ADDRESSES, address)
}

/// Returns true for loopback addresses and for `others`.
pub(crate) fn is_loopback_or(others: &[&str], address: IpAddr) -> bool {
    address.is_loopback() || others.iter().any(|text| text.parse() == Ok(address))
}

/// An address cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} ({flag}): {}; {}", source.kind(), help(*address, source))]
pub(crate) struct BindError {
    address: SocketAddr,
    flag: &'static str,
    source: io::Error,
}

fn help(address: SocketAddr, error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another process uses this port: choose another port",
        io::ErrorKind::AddrNotAvailable if address.ip() == Ipv4Addr::LOCALHOST => {
            "this machine has no IPv4 address: listen on [::1]"
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have this address: listen on 127.0.0.1",
        io::ErrorKind::PermissionDenied => "ports below 1024 require a privilege: choose a higher port",
        _ => "choose another address",
    }
}

/// Binds `address`, which `flag` configures. Returns the listener and its bound address, with the port that the system assigned
/// to port 0. The address `::` means every address of both families; a kernel without IPv6 binds `0.0.0.0` instead.
///
/// # Errors
/// Returns an error if the address cannot be bound.
pub(crate) fn bind(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), BindError> {
    let is_every_address = address.is_ipv6() && address.ip().is_unspecified();
    let listener = match listen(address) {
        Err(error) if is_every_address && has_no_ipv6(&error) => {
            listen(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), address.port()))
        }
        other => other,
    };
    let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
    match bound {
        Ok((bound, listener)) => Ok((listener, bound)),
        Err(source) => Err(BindError { address, flag, source }),
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() && address.ip().is_unspecified() {
        set_ipv6_v6only(&socket, false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Returns true if the kernel has no IPv6, or no IPv6 address.
fn has_no_ipv6(error: &io::Error) -> bool {
    Errno::from_io_error(error).is_some_and(|error| [Errno::AFNOSUPPORT, Errno::ADDRNOTAVAIL].contains(&error))
}
