use std::time::Duration;

use local_sts::{Claims, LocalSts, World};

use crate::support::{Keys, hop, session_of_a, signed, start, web_identity};

#[test]
fn signatures_are_checked_against_the_shifted_clock() {
    let sts = start();
    let identity = || signed(&sts.url(), &Keys::of_base_user(), "GetCallerIdentity", &[]);
    for forgiven in [-800, 800] {
        sts.set_clock_shift(forgiven);
        assert_eq!(identity().status, 200);
    }
    sts.set_clock_shift(1000);
    identity().refused("SignatureDoesNotMatch", 403, "Signature expired: ");
    sts.set_clock_shift(-1000);
    identity().refused("SignatureDoesNotMatch", 403, "Signature not yet current: ");
}

#[test]
fn dates_tokens_and_expirations_move_together() {
    let world = World { clock_shift: 86_400, ..World::two_accounts() };
    let sts = LocalSts::start(world).expect("a server");
    let unshifted = start();
    let [day, today] = [&sts, &unshifted].map(|sts| web_identity(sts, &Claims::default(), &[]));
    assert_ne!(day.expect("Expiration")[..10], today.expect("Expiration")[..10]);
    assert_eq!(day.expect("Expiration").len(), "2026-11-22T12:00:05Z".len());
    assert_ne!(day.headers["date"][..16], today.headers["date"][..16]);
    // A token of today has expired there.
    let yesterday = Claims { issued_at_offset: -86_400, ..Claims::default() };
    web_identity(&sts, &yesterday, &[]).refused("ExpiredTokenException", 400, "Token expired");
}

#[test]
fn credentials_die_when_their_lifetime_says() {
    let sts = start();
    sts.set_lifetime(Some(Duration::from_secs(1)));
    let short = session_of_a(&sts);
    sts.set_lifetime(None);
    let long = session_of_a(&sts);
    std::thread::sleep(Duration::from_millis(1100));
    hop(&sts, &short, &[]).refused("ExpiredToken", 403, "The security token included in the request is expired");
    hop(&sts, &long, &[]).granted();
}

#[test]
fn an_expired_session_is_seen_on_a_moved_clock() {
    let world = World { credential_lifetime: Some(300), ..World::two_accounts() };
    let sts = LocalSts::start(world).expect("a server");
    let keys = session_of_a(&sts);
    sts.set_clock_shift(299 - 5);
    hop(&sts, &keys, &[]).granted();
    sts.set_clock_shift(300);
    hop(&sts, &keys, &[]).refused("ExpiredToken", 403, "");
}
