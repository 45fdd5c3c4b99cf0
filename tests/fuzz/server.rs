//! Two `credvend run` in this process: one with an open endpoint, a metadata service and an admin listener, one that demands a token.

use std::{
    collections::HashMap,
    ffi::OsString,
    fs,
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{LazyLock, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

pub const SECRET_KEY: &str = "secret-key-of-the-fuzzed-server";

/// No connection of the fuzzer waits for anything: it sends all its bytes and closes its side.
const BOUND: Duration = Duration::from_secs(5);

pub static SERVERS: LazyLock<Servers> = LazyLock::new(Servers::start);

pub struct Servers {
    /// The endpoint, the metadata service, the admin listener, and the endpoint that demands a token.
    pub addresses: [SocketAddr; 4],
    pub authorization_token: String,
    /// A session token of the metadata service, and the number of uses left before it is replaced.
    session: Mutex<(String, u32)>,
}

/// What a connection returned.
pub struct Received {
    pub bytes: Vec<u8>,
    /// True if the connection was reset, so that the end may be missing.
    pub is_cut: bool,
}

impl Servers {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a scratch directory").keep();
        let document = format!(
            "{{\"Version\":1,\"AccessKeyId\":\"ASIAFUZZ\",\"SecretAccessKey\":\"{SECRET_KEY}\",\"SessionToken\":\"token\",\
             \"Expiration\":\"{}\"}}",
            tomorrow()
        );
        fs::write(directory.join("document"), document).expect("written");
        let process = format!("credential_process = cat {}", directory.join("document").display());
        let config = directory.join("config");
        fs::write(&config, format!("[profile a]\n{process}\n[profile b/c]\n{process}\n")).expect("written");
        let listeners: Vec<TcpListener> =
            (0..4).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port")).collect();
        let addresses: Vec<SocketAddr> =
            listeners.iter().map(|listener| listener.local_addr().expect("an address")).collect();
        drop(listeners);
        let addresses: [SocketAddr; 4] = addresses.try_into().expect("four addresses");
        let [endpoint, imds, admin, guarded] = addresses.map(|address| address.to_string());
        run(&config, &["--listen", &endpoint, "--imds-listen", &imds, "--admin-listen", &admin]);
        let token = directory.join("token");
        run(&config, &["--listen", &guarded, "--auth-token-file", token.to_str().expect("a path")]);
        let started = Instant::now();
        for address in addresses {
            while !exchange(address, b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
                .is_ok_and(|response| is_ready(&response.bytes))
            {
                assert!(started.elapsed() < Duration::from_secs(60), "the servers do not start");
                thread::sleep(Duration::from_millis(20));
            }
        }
        let authorization_token = fs::read_to_string(token).expect("a token");
        Self { addresses, authorization_token, session: Mutex::default() }
    }

    /// Replaces the placeholders in bytes to send.
    pub fn expand(&self, listener: usize, bytes: &[u8]) -> Vec<u8> {
        let mut expanded = Vec::with_capacity(bytes.len() + 128);
        let mut rest = bytes;
        while let Some((&first, after)) = rest.split_first() {
            let value = match rest {
                [b'{', b'H', b'}', ..] => Some(self.addresses[listener].to_string()),
                [b'{', b'T', b'}', ..] => Some(self.authorization_token.clone()),
                [b'{', b'S', b'}', ..] => Some(self.renewed_session_token()),
                _ => None,
            };
            if let Some(value) = value {
                expanded.extend_from_slice(value.as_bytes());
                rest = &rest[3..];
            } else {
                expanded.push(first);
                rest = after;
            }
        }
        expanded
    }

    /// Sends bytes and returns everything that comes back.
    pub fn exchange(&self, listener: usize, bytes: &[u8]) -> Received {
        exchange(self.addresses[listener], bytes).expect("a connection that ends")
    }

    pub fn session_token(&self) -> String {
        self.session.lock().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Other sessions replace this one, so it is replaced before.
    fn renewed_session_token(&self) -> String {
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        if session.1 == 0 {
            let request = b"PUT /latest/api/token HTTP/1.0\r\nHost: localhost\r\nX-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n";
            let response = exchange(self.addresses[1], request).expect("a session token");
            let text = String::from_utf8_lossy(&response.bytes).into_owned();
            *session = (text.rsplit("\r\n").next().unwrap_or_default().to_owned(), 100);
        }
        session.1 -= 1;
        session.0.clone()
    }
}

/// Returns the time in 24 hours: credentials with a far expiry are refused.
fn tomorrow() -> String {
    let date = Command::new("date").args(["-u", "-d", "+1 day", "+%FT%TZ"]).output().expect("date(1)");
    String::from_utf8(date.stdout).expect("text").trim().to_owned()
}

fn run(config: &Path, arguments: &[&str]) {
    let config = config.to_str().expect("a path");
    let fixed = ["credvend", "run", "--config", config, "--profile", "a", "--profile", "b/c", "--log-level", "off"];
    let arguments: Vec<OsString> = fixed.iter().chain(arguments).map(OsString::from).collect();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let cli = credvend::parse(arguments).unwrap_or_else(|_| panic!("valid arguments"));
        let environment = HashMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
        runtime.block_on(credvend::execute(cli, environment));
        panic!("the server ended");
    });
}

fn is_ready(response: &[u8]) -> bool {
    response.starts_with(b"HTTP/1.0 200")
        || response.starts_with(b"HTTP/1.1 200")
        || response.starts_with(b"HTTP/1.0 401")
        || response.starts_with(b"HTTP/1.1 401")
}

fn exchange(address: SocketAddr, bytes: &[u8]) -> std::io::Result<Received> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(BOUND))?;
    stream.set_nodelay(true)?;
    // The server may refuse the request before it has read all of it.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut received = Vec::new();
    match stream.read_to_end(&mut received) {
        Ok(_) => Ok(Received { bytes: received, is_cut: false }),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(Received { bytes: received, is_cut: true }),
        Err(error) => Err(error),
    }
}
