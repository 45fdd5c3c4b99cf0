//! Responses of STS: credentials only with all fields and a future expiry, an identity only with the text of an ARN, and an error without
//! secrets. Input: the action, 0 for status 200 or another byte for 403, and the document.
#![no_main]

#[path = "../support.rs"]
mod support;

use credvend::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [action, status, document @ ..] = data else { return };
    let status = if *status == 0 { 200 } else { 403 };
    match fuzzing::sts_response(*action, status, document, support::now(), support::SECRET) {
        Ok([arn, ..]) if action % 3 == 2 => assert!(!arn.is_empty() && !arn.contains(char::is_control)),
        Ok(keys) => support::check_keys(&keys, false, false),
        Err(message) => support::check_error(&message),
    }
    assert!(
        status == 200 || fuzzing::sts_response(*action, status, document, support::now(), support::SECRET).is_err()
    );
});
