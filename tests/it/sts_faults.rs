use local_sts::{Fault, FaultKind};

use crate::support::{ROLE_B, Stage};

/// One fault, then a sound STS: the next attempt succeeds, and the log says why there was one.
#[test]
fn what_passes_is_tried_again() {
    let faults = [
        (FaultKind::Throttle, "Throttling"),
        (FaultKind::ServerError { status: 500 }, "InternalFailure"),
        (FaultKind::IdpCommunicationError, "IDPCommunicationError"),
        (FaultKind::InvalidIdentityTokenVerificationKey, "verification key"),
        (FaultKind::Reset, "was not reached"),
        (FaultKind::Garbage, "is not AssumeRoleWithWebIdentityResponse"),
        (FaultKind::TruncatedBody, "was not reached"),
        (FaultKind::CutXml, "incomplete"),
        (FaultKind::HugeBody { mebibytes: 8 }, "exceeds"),
        (FaultKind::WrongRoot, "is not AssumeRoleWithWebIdentityResponse"),
        (FaultKind::MissingExpiry, "incomplete"),
        (FaultKind::PastExpiry, "already expired"),
    ];
    // Each waits for a second or two, so all at once.
    std::thread::scope(|scope| {
        for (kind, words) in faults {
            scope.spawn(move || {
                let stage = Stage::new();
                stage.fault(Fault::new(kind.clone()));
                let ended = stage.credvend(&["export", "--log-level", "trace"]).end().succeeded();
                assert!(ended.stderr.contains(words), "{kind:?}: {words:?} is missing in {}", ended.stderr);
                assert!(ended.stderr.contains("attempt=2"), "{kind:?}");
                stage.refuse_leaks(&ended.stderr);
                assert_eq!(stage.sts.requests().len(), 2, "{kind:?}");
            });
        }
    });
}

#[test]
fn an_answer_that_comes_slowly_is_taken() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Delay { milliseconds: 1200 }));
    stage.credvend(&["export"]).end().succeeded();
    assert_eq!(stage.sts.requests().len(), 1);
}

#[test]
fn an_expired_source_is_renewed_within_the_attempt() {
    // AWS calls it the one; the other is the web identity's name, and here there is none.
    for code in ["ExpiredToken", "ExpiredTokenException"] {
        let stage = Stage::new();
        let message = "The security token included in the request is expired";
        stage.fault(Fault::error(code, 403, message).for_action("AssumeRole"));
        stage.credvend(&["export", "--chain-role-arn", ROLE_B]).end().succeeded();
        let expected = ["AssumeRoleWithWebIdentity", "AssumeRole", "AssumeRoleWithWebIdentity", "AssumeRole"];
        assert_eq!(stage.actions(), expected, "{code}");
    }
}

#[test]
fn an_expired_token_is_read_again_whatever_the_code_s_suffix() {
    std::thread::scope(|scope| {
        for code in ["ExpiredToken", "ExpiredTokenException"] {
            scope.spawn(move || {
                let stage = Stage::new();
                stage.fault(Fault::error(code, 400, "The token is expired"));
                stage.credvend(&["export"]).end().succeeded();
                assert_eq!(stage.sts.requests().len(), 2, "{code}");

                stage.fault(Fault::error(code, 400, "The token is expired").forever());
                stage.credvend(&["export"]).end().failed(3, &[code, "hop 1", "the kubelet renews the token"]);
                assert_eq!(stage.sts.requests().len(), 5, "{code}");
            });
        }
    });
}

#[test]
fn what_sts_cannot_do_now_is_told_apart_from_what_it_does_not_know() {
    std::thread::scope(|scope| {
        for (code, status, mend) in [
            ("RequestLimitExceeded", 400, "STS limits the account's calls"),
            ("SomethingNew", 429, "STS limits the account's calls"),
            ("ServiceUnavailable", 503, "STS itself failed"),
            ("SomethingNew", 502, "STS itself failed"),
        ] {
            scope.spawn(move || {
                let stage = Stage::new();
                stage.fault(Fault::error(code, status, "not now").forever());
                let ended = stage.credvend(&["export", "--timeout", "500ms"]).end();
                ended.failed(5, &["gave up", code, mend]);
            });
        }
    });
}

#[test]
fn a_refusal_that_repeats_the_token_does_not_leak_it() {
    let stage = Stage::new();
    let token = std::fs::read_to_string(stage.tokens.token_file()).expect("read");
    let message =
        format!("1 validation error detected: Value '{token}' at 'webIdentityToken' failed, {}", &token[..40]);
    stage.fault(Fault::error("ValidationError", 400, &message));
    let ended = stage.credvend(&["export", "--log-level", "trace"]).end();
    ended.failed(4, &["ValidationError", "[redacted]"]);
    stage.refuse_leaks(&ended.stderr);
    assert!(!ended.stderr.contains(&token[..24]));
}

#[test]
fn what_is_not_from_sts_does_not_tell_its_time() {
    let stage = Stage::new();
    // A proxy's page, two hours ahead: the token would have expired by then.
    stage.sts.set_clock_shift(7200);
    stage.fault(Fault::new(FaultKind::Garbage));
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    run.line(&["exchange failed"]);
    stage.sts.set_clock_shift(0);
    // At once, and not only after the clock has been doubted.
    let line = run.line(&["exchanged"]);
    assert!(line.contains("attempt=2"), "{line}");
}

#[test]
fn a_wrong_clock_of_sts_or_of_this_node_does_not_matter() {
    // The node's clock cannot be set in a test; STS's can, which is the same difference.
    for seconds in [-7200, 7200] {
        let stage = Stage::new();
        stage.sts.set_clock_shift(seconds);
        stage.renew_token(&local_sts::Claims {
            lifetime: std::time::Duration::from_secs(86_400),
            ..local_sts::Claims::service_account("shop", "checkout")
        });
        let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--chain-role-arn", ROLE_B]).start();
        let address = run.address();
        run.line(&["exchanged", "hop=2"]);
        assert_eq!(crate::support::get(address, "/v1/credentials", &[]).status, 200, "{seconds}");
    }
}

#[test]
fn every_final_refusal_exits_4_and_says_what_to_do() {
    for (code, status, message, mend) in [
        ("InvalidIdentityToken", 400, "No OpenIDConnect provider found in your account for https://x", "OIDC provider"),
        ("InvalidIdentityToken", 400, "Incorrect token audience", "audience"),
        ("IDPRejectedClaim", 403, "rejected", "identity provider"),
        ("MalformedPolicyDocument", 400, "Syntax errors in policy.", "session policy"),
        ("PackedPolicyTooLarge", 400, "Packed size of session tags consumes 120%", "fewer session tags"),
        ("RegionDisabledException", 403, "STS is not activated in this region", "activate STS"),
        ("ValidationError", 400, "The requested DurationSeconds exceeds the MaxSessionDuration", "MaxSessionDuration"),
        ("ValidationError", 400, "Request ARN is invalid", "parameter"),
        ("SomethingNew", 400, "nobody knows", "API reference"),
    ] {
        let stage = Stage::new();
        stage.fault(Fault::error(code, status, message));
        stage.credvend(&["export"]).end().failed(4, &[code, message, mend, "hop 1"]);
        assert_eq!(stage.sts.requests().len(), 1, "{code}");
    }
}

#[test]
fn nobody_at_the_address_exits_5() {
    let stage = Stage::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bound").local_addr().expect("an address");
    let ended =
        stage.credvend(&["export", "--timeout", "1s"]).env("AWS_ENDPOINT_URL_STS", format!("http://{free}")).end();
    ended.failed(5, &[&free.to_string(), "was not reached", "Connection refused"]);
}

#[test]
fn a_redirect_is_not_followed() {
    let stage = Stage::new();
    stage.fault(Fault::error("Found", 302, "elsewhere"));
    let ended = stage.credvend(&["export", "--timeout", "1s"]).end();
    assert_ne!(ended.code, Some(0));
    assert!(stage.sts.requests().len() <= 2);
}

#[test]
fn an_attempt_that_hangs_ends_after_ten_seconds_and_the_next_succeeds() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang));
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    run.line(&["exchange failed", "no answer within 10 s", "attempt=1"]);
    run.line(&["exchanged", "attempt=2"]);
}

#[test]
fn static_keys_sign_with_the_clock_of_sts() {
    let stage = Stage::new();
    stage.sts.set_clock_shift(3600);
    let user = Stage::base_user();
    let config = format!(
        "[default]\nrole_arn={}\nsource_profile=base\n[profile base]\naws_access_key_id={}\naws_secret_access_key={}\n",
        crate::support::ROLE_A,
        user.access_key_id,
        user.secret_access_key
    );
    let ended = stage.with_config(&["export", "--log-level", "warn"], &config).end().succeeded();
    assert!(ended.stderr.contains("SignatureDoesNotMatch"), "{}", ended.stderr);
    assert_eq!(stage.sts.requests().len(), 2, "the first answer's Date set the clock");
}

#[test]
fn what_is_about_to_expire_is_still_written_by_a_one_shot() {
    let stage = Stage::new();
    stage.sts.set_lifetime(Some(std::time::Duration::from_secs(10)));
    let path = stage.path("credentials");
    stage.credvend(&["run", "--once", "--credentials-file"]).arg(&path).end().succeeded();
    assert!(stage.read("credentials").contains("aws_session_token = "));
    stage.credvend(&["export"]).end().succeeded();
}
