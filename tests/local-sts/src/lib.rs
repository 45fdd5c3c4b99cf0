//! A strict local AWS STS, for tests, benchmarks and trying things without an AWS account.
//!
//! It exchanges web identity tokens, assumes roles and tells callers who they are, and refuses what AWS refuses: with the
//! same codes, statuses and texts, after the same checks of signatures, lifetimes and policies.
//!
//! ```
//! use local_sts::{Claims, LocalSts, World};
//!
//! let sts = LocalSts::start(World::two_accounts())?;
//! let token = sts.mint(&Claims::service_account("shop", "checkout"));
//! // Give AWS_ENDPOINT_URL_STS = sts.url() and the token to a client, then look at sts.requests().
//! # assert!(sts.url().starts_with("http://127.0.0.1:") && token.len() > 900);
//! # Ok::<(), local_sts::StartError>(())
//! ```

// The handle
mod local_sts;
mod record;
mod tls;

// What exists
mod fault;
mod policy;
mod world;

// Tokens: minted here, laid out as a kubelet does
mod key;
mod seconds;
mod token;
mod token_volume;

// A request's way: HTTP, service, the action, its answer
mod server;
mod sts;
mod parameters;
mod signature;
mod caller;
mod web_identity;
mod assume_role;
mod assume_role_with_web_identity;
mod session_request;
mod tags;
mod role_arn;
mod session;
mod answer;
mod error;
mod xml;

// Time and chance
mod clock;
mod random;

pub use fault::{Fault, FaultKind, Forever, Times};
pub use local_sts::{LocalSts, StartError};
pub use policy::{PolicyDocument, PolicyError};
pub use record::RecordedRequest;
pub use tls::TlsVersions;
pub use token::Claims;
pub use token_volume::TokenVolume;
pub use world::{Account, OidcProvider, Role, User, World, WorldError};
