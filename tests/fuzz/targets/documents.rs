//! Credentials documents of bases: accepted credentials have all fields of their dialect, and an error shows no secret. Input: the
//! dialect (process, container, instance metadata) and the document.
#![no_main]

#[path = "../support.rs"]
mod support;

use credvend::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((dialect, document)) = data.split_first() else { return };
    match fuzzing::base_document(*dialect, document, support::now(), support::SECRET) {
        Ok(keys) => support::check_keys(&keys, dialect % 3 == 0, dialect % 3 < 2),
        Err(message) => support::check_error(&message),
    }
});
