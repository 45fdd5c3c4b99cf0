//! Web identity tokens: whatever the claims contain, the role session name is valid, the times are dates, and a malformed token is
//! an error without its text. Input: 0 and a token, or another byte and the claims of a token.
#![no_main]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use credvend::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((form, rest)) = data.split_first() else { return };
    let token = match form {
        0 => String::from_utf8_lossy(rest).into_owned(),
        _ => format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(rest)),
    };
    let Ok(claims) = fuzzing::claims(&token) else { return };
    assert_eq!(fuzzing::session_name(&claims.session_name).as_deref(), Ok(&*claims.session_name));
    for time in claims.times.into_iter().flatten() {
        assert_eq!(fuzzing::date(&time), Some(time));
    }
    if let Some((namespace, name)) = claims.service_account {
        assert_eq!(format!("system:serviceaccount:{namespace}:{name}"), claims.issuer_and_subject[1]);
    }
    assert!(token.split('.').count() == 3);
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap_or_default()).expect("decoded before");
    assert!(payload.trim_ascii_start().starts_with(b"{"), "claims that are not an object");
});
