//! Recognizes failures of connections that were kept open after a response.
//!
//! Servers and load balancers close idle connections. A request that meets such a connection fails, although a new connection
//! would work. reqwest repeats only requests that were not sent at all; whether a server or a network device discards the request
//! depends on the moment.

use std::{
    collections::VecDeque,
    error::Error,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use hyper_util::client::legacy::{Error as ClientError, connect::HttpInfo};

/// The number of connections to remember. The pool keeps fewer, but it does not say which.
const MAX_CONNECTIONS: usize = 32;

/// The local addresses of the last connections that carried a response.
#[derive(Default)]
pub(super) struct KeptConnections(Mutex<VecDeque<SocketAddr>>);

impl KeptConnections {
    /// Remembers the connection of a response.
    pub(super) fn add(&self, response: &reqwest::Response) {
        let Some(address) = response.extensions().get::<HttpInfo>().map(HttpInfo::local_addr) else { return };
        let mut addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !addresses.contains(&address) {
            addresses.truncate(MAX_CONNECTIONS - 1);
            addresses.push_front(address);
        }
    }

    /// Returns true if a kept connection was closed or reset before the head of the response arrived. Timeouts and connection
    /// attempts name no connection.
    pub(super) fn has_failed_on_one(&self, error: &reqwest::Error) -> bool {
        let is_broken = find::<hyper::Error>(error).is_some_and(|error| !error.is_parse() && !error.is_user());
        let mut extensions = http::Extensions::new();
        if let Some(connection) = find::<ClientError>(error).and_then(ClientError::connect_info) {
            connection.get_extras(&mut extensions);
        }
        let address = extensions.get::<HttpInfo>().map(HttpInfo::local_addr);
        let addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        is_broken && address.is_some_and(|address| addresses.contains(&address))
    }
}

/// Returns the first cause of this type.
fn find<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}
