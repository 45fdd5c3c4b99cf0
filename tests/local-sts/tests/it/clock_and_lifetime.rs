use std::time::Duration;

use local_sts::{Claims, LocalSts, World};

use crate::support::{Credentials, assume_role, role_a_credentials, signed, start, web_identity};

#[test]
fn signature_dates_are_checked_with_the_shifted_clock() {
    let sts = start();
    let identity = || signed(&sts.url(), &Credentials::of_base_user(), "GetCallerIdentity", &[]);
    for allowed in [-800, 800] {
        sts.set_clock_shift(allowed);
        assert_eq!(identity().status, 200);
    }
    sts.set_clock_shift(1000);
    identity().expect_error("SignatureDoesNotMatch", 403, "Signature expired: ");
    sts.set_clock_shift(-1000);
    identity().expect_error("SignatureDoesNotMatch", 403, "Signature not yet current: ");
}

#[test]
fn clock_shift_affects_dates_tokens_and_expirations() {
    let world = World { clock_shift: 86_400, ..World::two_accounts() };
    let sts = LocalSts::start(world).expect("server starts");
    let unshifted = start();
    let [tomorrow, today] = [&sts, &unshifted].map(|sts| web_identity(sts, &Claims::default(), &[]));
    assert_ne!(tomorrow.expect("Expiration")[..10], today.expect("Expiration")[..10]);
    assert_eq!(tomorrow.expect("Expiration").len(), "2026-11-22T12:00:05Z".len());
    assert_ne!(tomorrow.headers["date"][..16], today.headers["date"][..16]);
    // The server refuses a token with the machine's time, which is one day behind the server's clock.
    let yesterday = Claims { issued_at_offset: -86_400, ..Claims::default() };
    web_identity(&sts, &yesterday, &[]).expect_error("ExpiredTokenException", 400, "Token expired");
}

#[test]
fn credentials_expire_after_the_configured_lifetime() {
    let sts = start();
    sts.set_lifetime(Some(Duration::from_secs(1)));
    let short = role_a_credentials(&sts);
    sts.set_lifetime(None);
    let long = role_a_credentials(&sts);
    std::thread::sleep(Duration::from_millis(1100));
    assume_role(&sts, &short, &[]).expect_error(
        "ExpiredToken",
        403,
        "The security token included in the request is expired",
    );
    assume_role(&sts, &long, &[]).expect_credentials();
}

#[test]
fn session_expiry_is_checked_with_the_shifted_clock() {
    let world = World { credential_lifetime: Some(300), ..World::two_accounts() };
    let sts = LocalSts::start(world).expect("server starts");
    let credentials = role_a_credentials(&sts);
    sts.set_clock_shift(299 - 5);
    assume_role(&sts, &credentials, &[]).expect_credentials();
    sts.set_clock_shift(300);
    assume_role(&sts, &credentials, &[]).expect_error("ExpiredToken", 403, "");
}
