//! Parameters of STS: an accepted text is kept as it is and splits into parts that rebuild it, every text maps to a valid role
//! session name, durations and dates are the same after a second pass, and no region leads to a host outside AWS.
#![no_main]

use credvend::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok([arn, partition, account, path, name]) = accepted(fuzzing::role_arn(text)) {
        assert_eq!(arn, text);
        assert_eq!(format!("arn:{partition}:iam::{account}:role{path}{name}"), text);
        assert!(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()));
        assert!(!name.is_empty() && path.starts_with('/') && path.ends_with('/'));
    }
    let mapped = fuzzing::mapped_session_name(text);
    assert_eq!(fuzzing::session_name(&mapped).as_deref(), Ok(&*mapped));
    if let Ok(name) = accepted(fuzzing::session_name(text)) {
        assert_eq!((&*name, &*mapped), (text, text));
    }
    if let Ok(id) = accepted(fuzzing::external_id(text)) {
        assert_eq!(id, text);
    }
    let duration = accepted(fuzzing::duration(text));
    if let Ok(seconds) = accepted(fuzzing::session_duration(text)) {
        assert!((900..=43_200).contains(&seconds));
        assert_eq!(duration.as_ref().map(std::time::Duration::as_secs), Ok(seconds.into()));
        assert_eq!(fuzzing::session_duration(&seconds.to_string()), Ok(seconds));
    }
    if let Ok(duration) = duration {
        let milliseconds = format!("{}ms", duration.as_millis());
        let reparsed = fuzzing::duration(&milliseconds).map(|again| again.as_millis());
        assert!(reparsed.is_err() || reparsed == Ok(duration.as_millis()));
    }
    if let Some(date) = fuzzing::date(text) {
        assert_eq!(fuzzing::date(&date), Some(date));
    }
    for variant in 0..8 {
        if let Ok([url, region]) = accepted(fuzzing::endpoint(text, variant)) {
            let host = url.strip_prefix("https://sts").expect("an STS URL").trim_end_matches('/');
            assert!(
                host.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
            );
            let suffixes =
                [".amazonaws.com", ".api.aws", ".amazonaws.com.cn", ".amazonaws.eu", ".gov", ".uk", ".scloud"];
            assert!(
                suffixes
                    .iter()
                    .chain(&[".api.amazonwebservices.com.cn", ".api.amazonwebservices.eu"])
                    .any(|suffix| host.ends_with(suffix)),
                "{url}"
            );
            assert!(!region.is_empty());
        }
    }
});

/// Checks the message of an error.
fn accepted<T>(result: Result<T, String>) -> Result<T, String> {
    if let Err(message) = &result {
        assert!(message.len() < 1000 && !message.contains(char::is_control), "{message:?}");
    }
    result
}
