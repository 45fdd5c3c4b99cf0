//! A strict local AWS STS for tests, benchmarks, and for trying credvend without an AWS account.
//!
//! It implements AssumeRoleWithWebIdentity, AssumeRole and GetCallerIdentity. It verifies signatures, tokens, lifetimes
//! and policies as AWS does, and returns the same error codes, HTTP statuses and messages.
//!
//! ```
//! use local_sts::{Claims, LocalSts, World};
//!
//! let sts = LocalSts::start(World::two_accounts())?;
//! let token = sts.mint(&Claims::service_account("shop", "checkout"));
//! // Configure a client with AWS_ENDPOINT_URL_STS = sts.url() and the token, then inspect sts.requests().
//! # assert!(sts.url().starts_with("http://127.0.0.1:") && token.len() > 900);
//! # Ok::<(), local_sts::StartError>(())
//! ```
//!
//! The `local-sts` binary runs the same server, prints the environment variables for clients and can keep a projected
//! token in a directory up to date; see `local-sts --help`. Its `/_local/` routes offer over HTTP what [`LocalSts`]
//! offers in a test.
//!
//! The server is stricter than AWS in two ways: it refuses parameters in the URL, and it refuses policies with elements
//! that it does not evaluate. It does not implement:
//!
//! - the content of managed policies: `PolicyArns` are validated but do not restrict the session
//! - multi-factor authentication: every code is wrong
//! - permissions boundaries
//! - organization policies
//! - AWS's formula for `PackedPolicySize`, which is not published: the percentage is an estimate
//! - tokens of several issuers: the server fetches no keys, so it verifies its own tokens or, with a key set, those of one other
//!   issuer

// The server handle
mod local_sts;
mod request_log;
mod tls;

// The simulated AWS accounts and faults
mod fault;
mod rate_limit;
mod policy;
mod world;

// Tokens
mod duration_seconds;
mod key_set;
mod signing_key;
mod token;
mod token_volume;

// HTTP and the service
mod server;
mod sts;

// Authentication
mod caller;
mod signature;
mod web_identity;

// Actions
mod action;
mod assume_role;
mod assume_role_with_web_identity;
mod parameters;
mod role_arn;
mod session;
mod session_request;
mod tags;

// Responses
mod error;
mod success_response;
mod xml;

// Time, randomness and locks
mod clock;
mod lock;
mod random;

pub use fault::{Fault, FaultKind};
pub use key_set::{KeySet, KeySetError};
pub use local_sts::{LocalSts, StartError};
pub use policy::{PolicyDocument, PolicyError};
pub use rate_limit::RateLimit;
pub use request_log::RecordedRequest;
pub use tls::{ServerCertificate, TlsVersions};
pub use token::Claims;
pub use token_volume::TokenVolume;
pub use world::{Account, OidcProvider, Role, User, World, WorldError};
