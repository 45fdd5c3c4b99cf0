//! An HTTP proxy that decides where the connections to each host lead. With it, `https` endpoints of AWS are local servers.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Where the connections to a host lead.
#[derive(Clone, Copy)]
pub(crate) enum Route {
    To(SocketAddr),
    /// The proxy answers that it cannot connect.
    Refused,
    /// The proxy does not answer.
    Hanging,
}

pub(crate) struct ConnectProxy {
    address: SocketAddr,
    routes: Arc<Mutex<HashMap<String, Route>>>,
    /// The hosts of all connections, in order.
    hosts: Arc<Mutex<Vec<String>>>,
}

impl ConnectProxy {
    /// Starts a proxy that runs until the test process ends. It refuses hosts without a route.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let proxy = Self { address, routes: Arc::default(), hosts: Arc::default() };
        let (routes, hosts) = (Arc::clone(&proxy.routes), Arc::clone(&proxy.hosts));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (routes, hosts) = (Arc::clone(&routes), Arc::clone(&hosts));
                thread::spawn(move || {
                    let Some(host) = host_of_connect(&stream) else { return };
                    hosts.lock().expect("unpoisoned").push(host.clone());
                    let route = routes.lock().expect("unpoisoned").get(&host).copied();
                    match route.unwrap_or(Route::Refused) {
                        Route::To(address) => tunnel(stream, address),
                        Route::Refused => drop((&stream).write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")),
                        // Until the client gives up.
                        Route::Hanging => drop(BufReader::new(stream).lines().count()),
                    }
                });
            }
        });
        proxy
    }

    /// Leads the new connections to `host` elsewhere.
    pub(crate) fn route(&self, host: &str, route: Route) {
        self.routes.lock().expect("unpoisoned").insert(host.to_owned(), route);
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Returns the hosts of all connections so far, in order.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.hosts.lock().expect("unpoisoned").clone()
    }
}

/// Reads the head of a CONNECT request, and returns its host without the port.
fn host_of_connect(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream).lines();
    let line = lines.next()?.ok()?;
    lines.map_while(Result::ok).find(String::is_empty)?;
    Some(line.strip_prefix("CONNECT ")?.split(':').next()?.to_owned())
}

fn tunnel(client: TcpStream, address: SocketAddr) {
    let Ok(server) = TcpStream::connect(address) else { return };
    let copies = [(&client, &server), (&server, &client)].map(|(from, to)| (from.try_clone(), to.try_clone()));
    let _ = (&client).write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
    for (from, to) in copies {
        let (mut from, mut to) = (from.expect("a handle"), to.expect("a handle"));
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(std::net::Shutdown::Write);
        });
    }
}
