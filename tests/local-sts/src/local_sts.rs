//! The server handle. The server runs on its own thread and stops when the handle is dropped.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::fault::{Fault, FaultQueue};
use crate::rate_limit::RateLimit;
use crate::request_log::RecordedRequest;
use crate::server::{self, Server};
use crate::sts::Sts;
use crate::tls::{ServerCertificate, TlsIdentity, TlsVersions};
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

/// The reason why a server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The socket, the runtime or the thread cannot be created.
    #[error("cannot listen: {0}")]
    Io(#[from] io::Error),
    /// The world is invalid.
    #[error(transparent)]
    World(#[from] WorldError),
    /// The certificate cannot be created.
    #[error("cannot create a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The TLS configuration is invalid.
    #[error("cannot serve TLS: {0}")]
    Tls(#[from] rustls::Error),
}

impl LocalSts {
    /// Starts a server for this world over HTTP on a free port of 127.0.0.1.
    pub fn start(world: World) -> Result<LocalSts, StartError> {
        Self::start_on(any_loopback_port(), world, None)
    }

    /// Starts a server for this world over HTTPS, with a certificate for `127.0.0.1` and `localhost`.
    pub fn start_tls(world: World, versions: TlsVersions) -> Result<LocalSts, StartError> {
        Self::start_on(any_loopback_port(), world, Some(versions))
    }

    /// Starts a server for this world over HTTPS, with another certificate.
    pub fn start_with_certificate(world: World, certificate: ServerCertificate<'_>) -> Result<LocalSts, StartError> {
        let identity = TlsIdentity::generate(TlsVersions::Both, certificate)?;
        Self::start_as(any_loopback_port(), world, Some(identity))
    }

    /// Starts a server on this address, over HTTPS if TLS versions are given.
    pub fn start_on(address: SocketAddr, world: World, tls: Option<TlsVersions>) -> Result<LocalSts, StartError> {
        let tls = tls.map(|versions| TlsIdentity::generate(versions, ServerCertificate::Usual)).transpose()?;
        Self::start_as(address, world, tls)
    }

    /// Starts the STS of another region, over HTTPS with a certificate for `host`: it has the same accounts, sessions and clock, its
    /// own faults and requests, and accepts only signatures for `signing_region`.
    pub fn start_region(&self, host: &str, signing_region: &str) -> Result<LocalSts, StartError> {
        let tls = TlsIdentity::generate(TlsVersions::Both, ServerCertificate::OtherHost(host))?;
        let listener = std::net::TcpListener::bind(any_loopback_port())?;
        let sts = Arc::clone(&self.server.sts);
        Self::serve(listener, Some(tls), |_| Ok(sts), Some(signing_region.to_owned()), &[])
    }

    fn start_as(address: SocketAddr, world: World, tls: Option<TlsIdentity>) -> Result<LocalSts, StartError> {
        let listener = std::net::TcpListener::bind(address)?;
        Self::serve(listener, tls, |url| Ok(Arc::new(Sts::new(&world, url)?)), None, &world.faults)
    }

    /// Serves on `listener` what `sts` returns for the URL.
    fn serve(
        listener: std::net::TcpListener,
        tls: Option<TlsIdentity>,
        sts: impl FnOnce(&str) -> Result<Arc<Sts>, StartError>,
        signing_region: Option<String>,
        pending: &[Fault],
    ) -> Result<LocalSts, StartError> {
        listener.set_nonblocking(true)?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr()?);

        let mut faults = FaultQueue::default();
        faults.append(pending.iter().cloned());
        let server = Arc::new(Server {
            sts: sts(&url)?,
            signing_region,
            log: Default::default(),
            faults: faults.into(),
            rate_limit: Mutex::default(),
            faults_cleared: watch::Sender::new(()),
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

    /// Returns the value for `AWS_ENDPOINT_URL_STS`: `http://127.0.0.1:PORT`, without a trailing slash.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Returns the content for the `AWS_CA_BUNDLE` file: the server's certificate authority; `None` without HTTPS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Returns the `iss` claim of minted tokens: the world's issuer, or the server's URL.
    pub fn issuer(&self) -> String {
        self.server.sts.issuer().to_owned()
    }

    /// Mints a signed token, dated by the server's clock.
    pub fn mint(&self, claims: &Claims) -> String {
        self.server.sts.mint(claims)
    }

    /// Returns all requests so far, except those for the discovery document, the keys and the `/_local/` routes.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.server.log.all()
    }

    /// Blocks until the server has received `count` requests in total, or until the timeout, and returns all requests.
    pub fn wait_for_requests(&self, count: usize, timeout: Duration) -> Vec<RecordedRequest> {
        self.server.log.wait(count, timeout)
    }

    /// Appends faults to the queue.
    pub fn inject(&self, faults: Vec<Fault>) {
        self.server.inject(faults);
    }

    /// Removes all pending faults and responds to the requests that hang.
    pub fn clear_faults(&self) {
        self.server.clear_faults();
    }

    /// Limits the calls that are accepted, from a full bucket on; `None` ends the limit.
    pub fn set_rate_limit(&self, limit: Option<RateLimit>) {
        self.server.set_rate_limit(limit);
    }

    /// Sets the lifetime of credentials that are issued from now on, in whole seconds. It overrides `DurationSeconds`;
    /// `None` ends the override.
    pub fn set_lifetime(&self, lifetime: Option<Duration>) {
        self.server.sts.set_lifetime(lifetime);
    }

    /// Sets the server's clock this many seconds ahead of the machine's.
    pub fn set_clock_shift(&self, seconds: i64) {
        self.server.sts.clock.set_shift(seconds);
    }

    /// Changes the accounts while the server runs, for example to fix a trust policy.
    ///
    /// Sessions stay valid. Changes to the issuer, faults, credential lifetime and clock shift have no effect.
    pub fn edit_world(&self, edit: impl FnOnce(&mut World)) -> Result<(), WorldError> {
        self.server.sts.edit_world(edit)
    }

    /// Changes one role. `{issuer}` and `{issuer_host}` work as in a world file. It is an error if the role does not exist.
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

    /// Returns every secret access key (including those of users), session token and minted token so far. Tests check
    /// that no log contains them.
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
            // A panic on the thread has already been printed.
            let _ = thread.join();
        }
    }
}

fn any_loopback_port() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}
