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
//!
//! The program of the same name serves the same, prints the environment variables to use and can keep a projected token
//! fresh in a directory; see `local-sts --help`. Its `/_local/` routes do over HTTP what [`LocalSts`] does in a test.
//!
//! Two things are stricter than AWS: parameters in the URL are refused, and so is a policy with an element this server
//! does not evaluate. Four are absent: the content of managed policies (a session's `PolicyArns` are checked and then
//! narrow nothing), multi-factor codes (always wrong), permissions boundaries, and organisation policies. The percentage
//! in `PackedPolicySize` is an estimate, as AWS publishes no rule. Tokens from other issuers cannot be verified, as no
//! keys are fetched.

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

// HTTP, and behind it the service
mod server;
mod sts;

// Who asks
mod caller;
mod signature;
mod web_identity;

// The actions and what they share
mod assume_role;
mod assume_role_with_web_identity;
mod parameters;
mod role_arn;
mod session;
mod session_request;
mod tags;

// What is answered
mod answer;
mod error;
mod xml;

// Time, chance and locks
mod clock;
mod lock;
mod random;

pub use fault::{Fault, FaultKind, Forever, Times};
pub use local_sts::{LocalSts, StartError};
pub use policy::{PolicyDocument, PolicyError};
pub use record::RecordedRequest;
pub use tls::TlsVersions;
pub use token::Claims;
pub use token_volume::TokenVolume;
pub use world::{Account, OidcProvider, Role, User, World, WorldError};
