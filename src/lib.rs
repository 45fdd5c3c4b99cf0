//! scaffold
pub mod admin; pub mod app; pub mod arn; pub mod chain; pub mod cli; pub mod clock; pub mod command; pub mod config; pub mod credentials; pub mod exchange; pub mod health; pub mod hardening; pub mod provider; pub mod refresh; pub mod server; pub mod shared_file; pub mod shutdown; pub mod sink; pub mod store; pub mod sts; pub mod telemetry; pub mod tls; pub mod token;
