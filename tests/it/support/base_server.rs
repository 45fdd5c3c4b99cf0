//! An HTTP server that a chain can get its first credentials from: an instance metadata service (version 2 only), or a server
//! with responses of the test's choice.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

const TOKEN_PATH: &str = "/latest/api/token";
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

pub(crate) struct BaseServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// A received request. Header names are in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl BaseServer {
    /// Starts a server that runs until the test process ends. `respond` takes the number of the request, from 0, and the
    /// request; it returns the status and the body of the response.
    pub(crate) fn start(respond: impl Fn(usize, &Request) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&requests);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                let number = record.lock().expect("unpoisoned").len();
                record.lock().expect("unpoisoned").push(request.clone());
                let (status, body) = respond(number, &request);
                let length = body.len();
                let head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                let _ = (&stream).write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { address, requests }
    }

    /// Starts an EC2 instance metadata service: it issues a session token for a PUT with a TTL, and requires that token for
    /// every GET. `document` holds the credentials of the role `node-role`. The service rejects the first `forgotten` session
    /// tokens.
    pub(crate) fn instance_metadata(document: String, forgotten: usize) -> Self {
        let issued = Mutex::new(0);
        Self::start(move |_, request| {
            let mut issued = issued.lock().expect("unpoisoned");
            let ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds").and_then(|ttl| ttl.parse().ok());
            if request.header("x-forwarded-for").is_some() {
                return (403, String::new());
            }
            if request.line == format!("PUT {TOKEN_PATH} HTTP/1.1") {
                return match ttl {
                    Some(1..=21_600) => {
                        *issued += 1;
                        (200, format!("version-two-token-{issued}=="))
                    }
                    _ => (400, String::new()),
                };
            }
            let valid = (*issued > forgotten).then(|| format!("version-two-token-{issued}=="));
            if valid.is_none() || request.header("x-aws-ec2-metadata-token") != valid.as_deref() {
                return (401, "Unauthorized".into());
            }
            match request.line.strip_prefix("GET ").and_then(|line| line.strip_suffix(" HTTP/1.1")) {
                Some(path) if path == ROLES => (200, "node-role".into()),
                Some(path) if path == format!("{ROLES}node-role") => (200, document.clone()),
                _ => (404, String::new()),
            }
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns every request so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("unpoisoned").clone()
    }
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let line = lines.next()?.ok()?;
    let mut headers = Vec::new();
    for header in lines.map_while(Result::ok).take_while(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    Some(Request { line, headers })
}
