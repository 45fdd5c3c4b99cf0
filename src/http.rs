//! HTTP: the server of the listeners with its request guards and authorization, the clients, name resolution, and TLS.

pub(crate) mod authorization;
pub(crate) mod client;
pub(crate) mod connections;
pub(crate) mod guards;
pub(crate) mod listeners;
pub(crate) mod loopback;
pub(crate) mod rejection;
pub(crate) mod request_path;
pub(crate) mod resolver;
pub(crate) mod server;
pub(crate) mod tls;
