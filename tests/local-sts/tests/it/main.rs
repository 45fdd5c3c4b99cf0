//! Tests of the server as a client sees it, over real sockets.

mod assume_role; // trust and permissions policies, external IDs, tags, source identities, durations
mod binary; // the program: its options, files and signals
mod clock_and_lifetime; // shifted clocks, expiring sessions
mod faults; // each kind of fault
mod foreign_issuer; // tokens that another program signs
mod protocol; // HTTP requests, discovery document, control routes, world files
mod support; // an HTTP client and a Signature Version 4 signer
mod tls; // certificates and versions
mod token_volume; // layout and atomic updates
mod web_identity; // tokens that are accepted and refused
