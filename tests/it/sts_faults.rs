mod kept_connections;

use std::time::Duration;

use local_sts::{Claims, Fault, FaultKind};

use crate::support::{ROLE_A, ROLE_B, Stage, get, time_until_not_ready};

/// STS fails once. The next attempt succeeds, and the log names the reason for the failed one.
#[test]
fn transient_faults_are_retried_and_logged() {
    let faults = [
        (FaultKind::Throttle, "Throttling"),
        (FaultKind::ServerError { status: 500 }, "InternalFailure"),
        (FaultKind::IdpCommunicationError, "IDPCommunicationError"),
        (FaultKind::InvalidIdentityTokenVerificationKey, "verification key"),
        (FaultKind::Reset, "was not reached"),
        (FaultKind::Garbage, "root element is not AssumeRoleWithWebIdentityResponse"),
        (FaultKind::TruncatedBody, "was not reached"),
        (FaultKind::CutXml, "incomplete"),
        (FaultKind::HugeBody { mebibytes: 8 }, "exceeds"),
        (FaultKind::WrongRoot, "root element is not AssumeRoleWithWebIdentityResponse"),
        (FaultKind::MissingExpiry, "incomplete"),
        (FaultKind::PastExpiry, "already expired"),
        (FaultKind::FarExpiry, "Expiration 9999-12-31T00:00:00Z is more than 36 hours after"),
        (FaultKind::ControlCharacter, "SecretAccessKey contains a character that is not visible ASCII"),
    ];
    // Each retry waits for one to two seconds, so the cases run in parallel.
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
fn request_that_cannot_be_signed_is_not_sent() {
    let stage = Stage::new();
    let config = format!("[profile app]\nrole_arn={ROLE_A}\ncredential_source=Environment\n");
    let user = Stage::base_user();
    let ended = stage
        .with_config(&["export", "--profile", "app", "--timeout", "1s"], &config)
        .env("AWS_ACCESS_KEY_ID", user.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", user.secret_access_key)
        // Not a value of a header, so that the signer refuses it.
        .env("AWS_SESSION_TOKEN", "session-töken\u{7f}")
        .end();
    assert!(ended.code.is_some_and(|code| code != 0), "{ended:?}");
    assert_eq!(stage.sts.requests().len(), 0, "{ended:?}");
}

#[test]
fn slow_response_is_accepted() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Delay { milliseconds: 1200 }));
    stage.credvend(&["export"]).end().succeeded();
    assert_eq!(stage.sts.requests().len(), 1);
}

#[test]
fn expired_source_credentials_are_refreshed_within_the_attempt() {
    // AWS returns `ExpiredTokenException` only for web identity tokens, but other STS implementations may return it here.
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
fn expired_token_error_with_either_code_reads_the_token_again() {
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
fn throttling_and_server_errors_exit_5_when_time_is_up() {
    std::thread::scope(|scope| {
        for (code, status, help) in [
            ("RequestLimitExceeded", 400, "STS is throttling the requests of this account"),
            ("SomethingNew", 429, "STS is throttling the requests of this account"),
            ("ServiceUnavailable", 503, "STS had an internal error"),
            ("SomethingNew", 502, "STS had an internal error"),
        ] {
            scope.spawn(move || {
                let stage = Stage::new();
                stage.fault(Fault::error(code, status, "not now").forever());
                let ended = stage.credvend(&["export", "--timeout", "500ms"]).end();
                ended.failed(5, &["timed out", code, help]);
            });
        }
    });
}

#[test]
fn token_in_an_error_message_is_redacted() {
    let stage = Stage::new();
    let token = std::fs::read_to_string(stage.tokens.token_file()).expect("read token file");
    let message =
        format!("1 validation error detected: Value '{token}' at 'webIdentityToken' failed, {}", &token[..40]);
    stage.fault(Fault::error("ValidationError", 400, &message));
    let ended = stage.credvend(&["export", "--log-level", "trace"]).end();
    ended.failed(4, &["ValidationError", "[redacted]"]);
    stage.refuse_leaks(&ended.stderr);
    assert!(!ended.stderr.contains(&token[..24]));
}

#[test]
fn date_of_a_response_that_is_not_from_sts_is_ignored() {
    let stage = Stage::new();
    // The response is not from STS, and its Date is two hours ahead. By that time the token would have expired.
    stage.sts.set_clock_shift(7200);
    stage.fault(Fault::new(FaultKind::Garbage));
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    run.line(&["exchange failed"]);
    stage.sts.set_clock_shift(0);
    // The second attempt succeeds, because credvend has not adopted the wrong time.
    let line = run.line(&["credentials obtained"]);
    assert!(line.contains("attempt=2"), "{line}");
}

#[test]
fn stale_date_does_not_prolong_the_lifetime() {
    let stage = Stage::new();
    // With the right time, the credentials are served for 2 s.
    stage.sts.set_lifetime(Some(Duration::from_secs(17)));
    stage.fault(Fault::new(FaultKind::StaleDate { seconds: 40 }));
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    let address = run.address();
    run.line(&["credentials obtained"]);
    stage.fault(Fault::new(FaultKind::Reset).forever());
    let served = time_until_not_ready(address);
    assert!(served < Duration::from_secs(12), "{served:?}");
}

#[test]
fn clock_difference_of_two_hours_is_corrected() {
    // A test cannot set the local clock, so it shifts the clock of STS. The difference is the same.
    for seconds in [-7200, 7200] {
        let stage = Stage::new();
        stage.sts.set_clock_shift(seconds);
        stage.renew_token(&Claims {
            lifetime: Duration::from_secs(86_400),
            ..Claims::service_account("shop", "checkout")
        });
        let run = stage.credvend(&["run", "--listen", "127.0.0.1:0", "--chain-role-arn", ROLE_B]).start();
        let address = run.address();
        run.line(&["credentials obtained", "hop=2"]);
        assert_eq!(get(address, "/v1/credentials", &[]).status, 200, "{seconds}");
    }
}

#[test]
fn refusals_exit_4_and_say_what_to_do() {
    for (code, status, message, help) in [
        (
            "InvalidIdentityToken",
            400,
            "No OpenIDConnect provider found in your account for https://x",
            "identity provider",
        ),
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
        stage.credvend(&["export"]).end().failed(4, &[code, message, help, "hop 1"]);
        assert_eq!(stage.sts.requests().len(), 1, "{code}");
    }
}

#[test]
fn unreachable_sts_exits_5() {
    let stage = Stage::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("local address");
    let ended =
        stage.credvend(&["export", "--timeout", "1s"]).env("AWS_ENDPOINT_URL_STS", format!("http://{free}")).end();
    ended.failed(5, &[&free.to_string(), "was not reached", "Connection refused"]);
}

#[test]
fn redirect_is_not_followed() {
    let stage = Stage::new();
    stage.fault(Fault::error("Found", 302, "elsewhere"));
    let ended = stage.credvend(&["export", "--timeout", "1s"]).end();
    assert_ne!(ended.code, Some(0));
    assert!(stage.sts.requests().len() <= 2);
}

#[test]
fn hanging_attempt_ends_after_ten_seconds_and_is_retried() {
    let stage = Stage::new();
    stage.fault(Fault::new(FaultKind::Hang));
    let run = stage.credvend(&["run", "--listen", "127.0.0.1:0"]).start();
    run.line(&["exchange failed", "no response within 10 s", "attempt=1"]);
    run.line(&["credentials obtained", "attempt=2"]);
}

#[test]
fn static_keys_sign_with_the_time_of_sts() {
    let stage = Stage::new();
    stage.sts.set_clock_shift(3600);
    let user = Stage::base_user();
    let config = format!(
        "[default]\nrole_arn={}\nsource_profile=base\n[profile base]\naws_access_key_id={}\naws_secret_access_key={}\n",
        ROLE_A, user.access_key_id, user.secret_access_key
    );
    let ended = stage.with_config(&["export", "--log-level", "warn"], &config).end().succeeded();
    assert!(ended.stderr.contains("SignatureDoesNotMatch"), "{}", ended.stderr);
    assert_eq!(stage.sts.requests().len(), 2, "the Date of the first response corrects the time");
}

#[test]
fn one_shots_write_credentials_that_are_about_to_expire() {
    let stage = Stage::new();
    stage.sts.set_lifetime(Some(Duration::from_secs(10)));
    let path = stage.path("credentials");
    stage.credvend(&["run", "--once", "--credentials-file"]).arg(&path).end().succeeded();
    assert!(stage.read("credentials").contains("aws_session_token = "));
    stage.credvend(&["export"]).end().succeeded();
}

#[test]
fn refusal_of_a_token_names_its_audience_or_subject() {
    let stage = Stage::new();
    let claims = Claims::service_account("shop", "checkout");
    stage.renew_token(&Claims { audience: vec!["https://kubernetes.default.svc".to_owned()], ..claims });
    stage.credvend(&["export"]).end().failed(4, &["this token's audience is https://kubernetes.default.svc"]);
    stage.renew_token(&Claims::service_account("shop", "cart"));
    stage
        .credvend(&["export"])
        .end()
        .failed(4, &["this token's sub is system:serviceaccount:shop:cart", "sts.amazonaws.com"]);
}
