//! HTTP: the server and its guards, the clients, TLS.

pub(crate) mod authorization;
pub(crate) mod client;
pub(crate) mod guards;
pub(crate) mod listeners;
pub(crate) mod loopback;
pub(crate) mod rejection;
pub(crate) mod server;
pub(crate) mod tls;
