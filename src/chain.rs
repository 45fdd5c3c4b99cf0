//! Chains in execution: one credentials provider for each hop, shared by all chains that start with the same hops.
//!
//! Input: [plans](crate::plan). Output: [leases](crate::lease::Lease), or an [error](error::ProviderError) that tells
//! the caller what to do. [`hop_provider`] makes the STS calls and caches the result of each hop; [`base`] obtains the
//! credentials that a chain starts with.

pub(crate) mod base;
pub(crate) mod error;
pub(crate) mod hop_provider;
pub(crate) mod provider;
