//! Everything seen from outside, over real sockets.

mod assume_role; // trust and permission, external IDs, tags, source identities, durations
mod binary; // the program: its options, files and signals
mod clock_and_lifetime; // shifted clocks, sessions that expire
mod faults; // each kind of fault as a client meets it
mod protocol; // envelopes, answers' shape, discovery, admin routes, worlds
mod support; // a plain HTTP client and a signer
mod tls; // certificates and versions
mod token_volume; // the kubelet's layout, under a reader's eyes
mod web_identity; // every way a token is refused
