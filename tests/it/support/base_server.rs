//! A server that a base asks: an instance metadata service that knows version 2 alone, or one that answers what it is told.

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
    asked: Arc<Mutex<Vec<Request>>>,
}

/// A request as it came; header names in lower case.
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
    /// Answers each request with status and body; the request's number counts from 0. It ends with the test's process.
    pub(crate) fn start(answer: impl Fn(usize, &Request) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read(&stream) else { continue };
                let number = record.lock().expect("unpoisoned").len();
                record.lock().expect("unpoisoned").push(request.clone());
                let (status, body) = answer(number, &request);
                let length = body.len();
                let head = format!("HTTP/1.1 {status} Said\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                let _ = (&stream).write_all(format!("{head}{body}").as_bytes());
            }
        });
        Self { address, asked }
    }

    /// EC2's: a token for a PUT with a TTL, everything else for that token alone. `document` is what the role `node-role` gets,
    /// and the first `forgotten` tokens are not taken.
    pub(crate) fn instance_metadata(document: String, forgotten: usize) -> Self {
        let made = Mutex::new(0);
        Self::start(move |_, request| {
            let mut made = made.lock().expect("unpoisoned");
            let ttl = request.header("x-aws-ec2-metadata-token-ttl-seconds").and_then(|ttl| ttl.parse().ok());
            if request.header("x-forwarded-for").is_some() {
                return (403, String::new());
            }
            if request.line == format!("PUT {TOKEN_PATH} HTTP/1.1") {
                return match ttl {
                    Some(1..=21_600) => {
                        *made += 1;
                        (200, format!("version-two-token-{made}=="))
                    }
                    _ => (400, String::new()),
                };
            }
            let good = (*made > forgotten).then(|| format!("version-two-token-{made}=="));
            if good.is_none() || request.header("x-aws-ec2-metadata-token") != good.as_deref() {
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

    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().expect("unpoisoned").clone()
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
