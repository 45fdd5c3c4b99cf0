//! The handle: a server on a thread of its own, gone when the handle is dropped.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::fault::{Fault, FaultScript};
use crate::record::RecordedRequest;
use crate::server::{self, Server};
use crate::sts::Sts;
use crate::tls::{TlsIdentity, TlsVersions};
use crate::token::Claims;
use crate::world::{Role, World, WorldError};

/// A running local STS.
pub struct LocalSts {
    url: String,
    ca_pem: Option<String>,
    server: Arc<Server>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No socket, or no thread.
    #[error("cannot listen: {0}")]
    Io(#[from] io::Error),
    /// The world makes no sense.
    #[error(transparent)]
    World(#[from] WorldError),
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS configuration was refused.
    #[error("cannot serve TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl LocalSts {
    /// Serves this world over HTTP on a free port of 127.0.0.1.
    pub fn start(world: World) -> Result<LocalSts, StartError> {
        Self::start_on(any_loopback_port(), world, None)
    }

    /// Serves this world over HTTPS, with a certificate for `127.0.0.1` and `localhost`.
    pub fn start_tls(world: World, versions: TlsVersions) -> Result<LocalSts, StartError> {
        Self::start_on(any_loopback_port(), world, Some(versions))
    }

    /// Serves on a given address, over HTTPS if TLS versions are given.
    pub fn start_on(address: SocketAddr, world: World, tls: Option<TlsVersions>) -> Result<LocalSts, StartError> {
        let tls = tls.map(TlsIdentity::generate).transpose()?;
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr()?);

        let mut faults = FaultScript::default();
        faults.append(world.faults.iter().cloned());
        let server = Arc::new(Server {
            sts: Sts::new(&world, &url)?,
            log: Default::default(),
            faults: faults.into(),
            release: watch::Sender::new(()),
        });
        let (acceptor, ca_pem) = tls.map(|tls| (tls.acceptor, tls.ca_pem)).unzip();
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _in_runtime = runtime.enter();
            tokio::net::TcpListener::from_std(listener)?
        };
        let serving = server::run(Arc::clone(&server), listener, acceptor);
        let thread = std::thread::Builder::new().name("local-sts".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serving => {}
                    _ = stopped => {}
                }
            });
        })?;
        Ok(LocalSts { url, ca_pem, server, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`, without a slash at the end: the value for `AWS_ENDPOINT_URL_STS`.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// The certificate authority to trust, if the server speaks HTTPS: the content for `AWS_CA_BUNDLE`.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The `iss` of minted tokens: the URL, unless the world says otherwise.
    pub fn issuer(&self) -> String {
        self.server.sts.issuer().to_owned()
    }

    /// A signed token, dated by the server's clock.
    pub fn mint(&self, claims: &Claims) -> String {
        self.server.sts.mint(claims)
    }

    /// Everything asked so far except the discovery document, the keys and the `/_local/` routes.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.server.log.all()
    }

    /// Blocks the calling thread until there were `count` requests in all, or until the timeout; returns all of them.
    pub fn wait_for_requests(&self, count: usize, timeout: Duration) -> Vec<RecordedRequest> {
        self.server.log.wait(count, timeout)
    }

    /// Appends faults to the script.
    pub fn inject(&self, faults: Vec<Fault>) {
        self.server.inject(faults);
    }

    /// Forgets the faults still to come and answers the requests that hang.
    pub fn clear_faults(&self) {
        self.server.clear_faults();
    }

    /// Credentials issued from now on live this long, in whole seconds, whatever `DurationSeconds` asks for.
    pub fn set_lifetime(&self, lifetime: Option<Duration>) {
        self.server.sts.set_lifetime(lifetime);
    }

    /// Sets the clock this many seconds ahead of the machine's.
    pub fn set_clock_shift(&self, seconds: i64) {
        self.server.sts.clock.shift(seconds);
    }

    /// Replaces the accounts. Sessions stay; issuer, faults, lifetime and clock of the new world are not looked at.
    pub fn replace_world(&self, world: World) -> Result<(), WorldError> {
        self.edit_world(|present| *present = world)
    }

    /// Changes the accounts while requests go on, for example to mend a trust policy.
    pub fn edit_world(&self, edit: impl FnOnce(&mut World)) -> Result<(), WorldError> {
        self.server.sts.edit_world(edit)
    }

    /// Changes one role; `{issuer}` and `{issuer_host}` work as in a world file. No such role is an error.
    pub fn edit_role(&self, arn: &str, edit: impl FnOnce(&mut Role)) -> Result<(), WorldError> {
        let mut found = false;
        self.edit_world(|world| {
            if let Some(role) = world.role_mut(arn) {
                edit(role);
                found = true;
            }
        })?;
        if found { Ok(()) } else { Err(WorldError::NoSuchRole(arn.to_owned())) }
    }

    /// Every secret access key (those of users, too), session token and minted token so far: what must not be in
    /// anybody's logs.
    pub fn issued_secrets(&self) -> Vec<String> {
        self.server.sts.issued_secrets()
    }
}

impl fmt::Debug for LocalSts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LocalSts").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Drop for LocalSts {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported already.
            let _ = thread.join();
        }
    }
}

fn any_loopback_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
