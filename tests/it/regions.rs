mod commands;
pub(crate) mod rig;

use local_sts::{Fault, FaultKind};

use self::rig::{AWAY, AWAY_HOST, HOME, HOME_HOST, Regions};
use crate::support::{ROLE_B, Route, Signal, get, wait_until};

const RUN: &[&str] = &["run", "--listen", "127.0.0.1:0"];
const CHAIN: [&str; 2] = ["AssumeRoleWithWebIdentity", "AssumeRole"];

/// The chained hop does not wait for the failed region again, and its signature is for the region that it asks.
#[test]
fn each_failure_of_a_region_leads_to_the_next_one_at_once() {
    let faults = [
        (FaultKind::Throttle, "Throttling"),
        (FaultKind::ServerError { status: 500 }, "InternalFailure"),
        (FaultKind::ServerError { status: 503 }, "ServiceUnavailable"),
        (FaultKind::Error { code: "AccessDenied".into(), status: 503, message: String::new() }, "HTTP 503"),
        (FaultKind::Reset, "was not reached"),
        (FaultKind::TruncatedBody, "was not reached"),
        // Answers that are no valid responses.
        (FaultKind::Garbage, "invalid response"),
        (FaultKind::CutXml, "invalid response"),
        (FaultKind::WrongRoot, "invalid response"),
        (FaultKind::PastExpiry, "already expired"),
        (FaultKind::ControlCharacter, "not visible ASCII"),
    ];
    std::thread::scope(|scope| {
        for (kind, words) in faults {
            scope.spawn(move || {
                let regions = Regions::new();
                regions.home.inject(vec![Fault::new(kind.clone()).forever()]);
                let arguments = ["export", "--log-level", "info", "--chain-role-arn", ROLE_B];
                let ended = regions.credvend(&arguments).end().succeeded();
                let lines: Vec<&str> = ended.stderr.lines().collect();
                assert!(lines[0].contains("region failed, asking the next one"), "{kind:?}: {}", ended.stderr);
                for text in [words, "hop=1", "region=\"eu-central-1\" next_region=\"eu-west-1\""] {
                    assert!(lines[0].contains(text), "{kind:?}: {text} is missing in {}", lines[0]);
                }
                for (line, hop) in lines[1..].iter().zip(["hop=1", "hop=2"]) {
                    assert!(line.contains("credentials obtained") && line.contains("attempt=1"), "{kind:?}: {line}");
                    assert!(line.contains(hop) && line.contains("region=\"eu-west-1\""), "{kind:?}: {line}");
                }
                assert_eq!(lines.len(), 3, "{kind:?}: {}", ended.stderr);
                assert_eq!(Regions::actions(&regions.home), CHAIN[..1], "{kind:?}");
                assert_eq!(Regions::actions(&regions.away), CHAIN, "{kind:?}");
                let authorization = regions.away.requests()[1].headers["authorization"].clone();
                assert!(authorization.contains("/eu-west-1/sts/aws4_request"), "{authorization}");
                regions.stage.refuse_leaks(&ended.stderr);
            });
        }
    });
}

#[test]
fn regions_that_cannot_be_reached_lead_to_the_next_one() {
    for route in [Route::Refused, Route::Hanging] {
        let regions = Regions::new();
        regions.proxy.route(HOME_HOST, route);
        regions.credvend(&["export", "--chain-role-arn", ROLE_B]).end().succeeded();
        assert_eq!(
            regions.proxy.hosts()[..2],
            [HOME_HOST, AWAY_HOST],
            "the chained hop begins with the fallback region"
        );
        assert_eq!(Regions::actions(&regions.away), CHAIN);
    }
}

#[test]
fn failure_of_a_chained_hop_leads_to_the_next_region_with_the_same_signer() {
    let regions = Regions::new();
    regions.home.inject(vec![Fault::throttle().for_action("AssumeRole").forever()]);
    regions.credvend(&["export", "--chain-role-arn", ROLE_B]).end().succeeded();
    assert_eq!(Regions::actions(&regions.home), CHAIN);
    assert_eq!(Regions::actions(&regions.away), CHAIN[1..]);
    let signers = [&regions.home, &regions.away].map(|sts| {
        let request = sts.requests().pop().expect("a request");
        (request.headers["x-amz-security-token"].clone(), request.headers["authorization"].clone())
    });
    assert_eq!(signers[0].0, signers[1].0);
    assert!(signers[0].1.contains("/eu-central-1/sts/") && signers[1].1.contains("/eu-west-1/sts/"), "{signers:?}");
}

/// They are the same in every region, or concern the token and its issuer.
#[test]
fn refusals_never_lead_to_another_region() {
    let key = "Couldn't retrieve verification key from your identity provider,  please reference";
    let refusals = [
        ("AccessDenied", 403, "Not authorized to perform sts:AssumeRoleWithWebIdentity", 4),
        ("InvalidIdentityToken", 400, "Incorrect token audience", 4),
        ("InvalidIdentityToken", 400, key, 4),
        ("IDPCommunicationError", 400, "Error communicating with the identity provider", 5),
        ("ExpiredTokenException", 400, "Token expired: current date/time 2 must be before the expiration", 3),
        ("RegionDisabledException", 403, "STS is not activated in this region for account:111111111111", 4),
        ("ValidationError", 400, "Request ARN is invalid", 4),
        ("SignatureDoesNotMatch", 403, "Signature expired: 1 is now earlier than 2", 5),
    ];
    std::thread::scope(|scope| {
        for (code, status, message, exit) in refusals {
            scope.spawn(move || {
                let regions = Regions::new();
                regions.home.inject(vec![Fault::error(code, status, message).forever()]);
                // Some are tried again, in the same region.
                let ended = regions.credvend(&["export", "--timeout", "8s"]).end();
                ended.failed(exit, &[code]);
                assert!(!regions.home.requests().is_empty(), "{code}");
                assert!(!regions.proxy.hosts().iter().any(|host| host == AWAY_HOST), "{code}");
            });
        }
    });
}

#[test]
fn rejected_signer_is_renewed_at_its_region() {
    let regions = Regions::new();
    let message = "The security token included in the request is expired";
    regions.home.inject(vec![Fault::error("ExpiredToken", 403, message).for_action("AssumeRole")]);
    regions.credvend(&["export", "--chain-role-arn", ROLE_B]).end().succeeded();
    assert_eq!(Regions::actions(&regions.home), [CHAIN, CHAIN].concat());
    assert_eq!(regions.away.requests().len(), 0);
}

#[test]
fn refusal_by_a_fallback_region_names_the_region() {
    let regions = Regions::new();
    regions.proxy.route(HOME_HOST, Route::Refused);
    regions.away.inject(vec![Fault::error("AccessDenied", 403, "Not authorized").forever()]);
    let words = ["AccessDenied", "the STS of eu-west-1 refused the request, after other regions had failed"];
    regions.credvend(&["export"]).end().failed(4, &words);
    assert_eq!(regions.away.requests().len(), 1);
}

/// The failure of the hop's own region stays transient, although the refusal of the fallback region is permanent.
#[test]
fn fallback_region_that_is_not_activated_ends_no_one_shot() {
    let regions = Regions::new();
    regions.home.inject(vec![Fault::throttle()]);
    regions.away.inject(vec![Fault::error("RegionDisabledException", 403, "STS is not activated").forever()]);
    regions.credvend(&["export"]).end().succeeded();
    assert_eq!((regions.home.requests().len(), regions.away.requests().len()), (2, 1));
}

#[test]
fn outage_of_all_regions_costs_each_region_one_call_per_attempt() {
    let regions = Regions::new();
    for sts in [&regions.home, &regions.away] {
        sts.inject(vec![Fault::new(FaultKind::ServerError { status: 503 }).forever()]);
    }
    let run = regions.credvend(RUN).start();
    let failed = run.lines(&["exchange failed"], 3);
    assert!(failed[2].contains("attempt=3"), "{}", failed[2]);
    assert_eq!((regions.home.requests().len(), regions.away.requests().len()), (3, 3));
    for text in ["STS answered ServiceUnavailable", "the fallback region eu-west-1 failed too: STS answered"] {
        assert!(failed[0].contains(text), "{text} is missing in {}", failed[0]);
    }
    // The first region that serves again ends the outage.
    regions.away.clear_faults();
    run.line(&["credentials obtained", "region=\"eu-west-1\""]);

    let ended = regions.down().credvend(&["export", "--timeout", "4s"]).end();
    ended.failed(5, &[HOME_HOST, "the fallback region eu-west-1 failed too: STS at sts.eu-west-1.amazonaws.com"]);
}

#[test]
fn next_refresh_begins_with_the_region_of_the_hop() {
    let regions = Regions::new();
    regions.home.inject(vec![Fault::new(FaultKind::ServerError { status: 500 })]);
    let run = regions.credvend(&[RUN, &["--chain-role-arn", ROLE_B]].concat()).start();
    run.line(&["credentials obtained", "hop=2", "region=\"eu-west-1\""]);
    run.signal(Signal::HUP);
    for hop in ["hop=1", "hop=2"] {
        run.line(&["credentials obtained", hop, "region=\"eu-central-1\""]);
    }
    assert_eq!(Regions::actions(&regions.away), CHAIN);
}

#[test]
fn refresh_at_half_of_the_lifetime_begins_with_the_region_of_the_hop() {
    let regions = Regions::new();
    regions.stage.sts.set_lifetime(Some(std::time::Duration::from_secs(18)));
    regions.home.inject(vec![Fault::new(FaultKind::ServerError { status: 500 })]);
    let run = regions.credvend(RUN).start();
    run.line(&["credentials obtained", "region=\"eu-west-1\""]);
    run.line(&["credentials obtained", "region=\"eu-central-1\""]);
    assert_eq!((regions.home.requests().len(), regions.away.requests().len()), (2, 1));
}

/// The application gets credentials although the home region accepts requests and answers none.
#[test]
fn hanging_region_is_given_up_after_ten_seconds() {
    let regions = Regions::new();
    regions.home.inject(vec![Fault::new(FaultKind::Hang).forever()]);
    let run = regions.credvend(&[RUN, &["--chain-role-arn", ROLE_B]].concat()).start();
    run.line(&["region failed", "no response within 10 s"]);
    run.line(&["credentials obtained", "hop=2", "region=\"eu-west-1\""]);
    assert_eq!(regions.home.requests().len(), 1, "the chained hop does not wait again");
    assert_eq!(get(run.address(), "/v1/credentials", &[]).status, 200);
}

#[test]
fn credentials_stay_in_service_while_all_regions_are_down_and_come_back() {
    let regions = Regions::new();
    let run = regions.credvend(RUN).start();
    run.line(&["credentials obtained", "region=\"eu-central-1\""]);
    for sts in [&regions.home, &regions.away] {
        sts.inject(vec![Fault::new(FaultKind::Reset).forever()]);
    }
    run.signal(Signal::HUP);
    run.line(&["exchange failed", "the fallback region eu-west-1 failed too"]);
    assert_eq!(get(run.address(), "/v1/credentials", &[]).status, 200);
    regions.away.clear_faults();
    run.line(&["credentials obtained", "region=\"eu-west-1\""]);
}

#[test]
fn hops_of_a_config_file_keep_their_own_regions() {
    let regions = Regions::new();
    let north = regions.add("sts.eu-north-1.amazonaws.com", "eu-north-1");
    let config = |key: &str| {
        format!(
            "[profile b]\nrole_arn={ROLE_B}\nsource_profile=a\nregion=eu-north-1\n{key}\
             [profile a]\nrole_arn={}\nweb_identity_token_file=TOKEN\nregion={HOME}\n{key}",
            crate::support::ROLE_A
        )
    };
    // By a variable, and by a key of each profile.
    let list = format!("{HOME},{AWAY}");
    for by_variable in [true, false] {
        let calls = regions.away.requests().len();
        regions.home.inject(vec![Fault::throttle()]);
        north.inject(vec![Fault::throttle()]);
        let key = if by_variable { String::new() } else { format!("credvend_sts_fallback_regions = {list}\n") };
        let command = regions.with_config(&["export", "--profile", "b", "--log-level", "info"], &config(&key));
        let ended = if by_variable { command.env("CREDVEND_STS_FALLBACK_REGIONS", &list) } else { command }.end();
        for texts in [
            ["hop=1", "region=\"eu-central-1\" next_region=\"eu-west-1\""],
            ["hop=1", "credentials obtained"],
            // The list names the home region of the first hop, which has just failed.
            ["hop=2", "region=\"eu-north-1\" next_region=\"eu-west-1\""],
        ] {
            let has_texts = |line: &str| texts.iter().all(|text| line.contains(text));
            assert!(ended.stderr.lines().any(has_texts), "{texts:?} is missing in {}", ended.stderr);
        }
        ended.succeeded();
        assert_eq!(regions.away.requests().len(), calls + 2);
    }
}

#[test]
fn reload_changes_the_list() {
    let regions = Regions::new();
    let config = |list: &str| {
        let role = crate::support::ROLE_A;
        format!("[default]\nrole_arn={role}\nweb_identity_token_file=TOKEN\nregion={HOME}\n{list}")
    };
    let run = regions.with_config(RUN, &config("")).start();
    run.line(&["credentials obtained", "region=\"eu-central-1\""]);
    regions.home.inject(vec![Fault::throttle().forever()]);
    run.signal(Signal::HUP);
    run.line(&["exchange failed", "Throttling"]);
    assert_eq!(regions.away.requests().len(), 0);
    regions.write_config(&config(&format!("credvend_sts_fallback_regions={AWAY}\n")));
    run.signal(Signal::HUP);
    run.line(&["credentials obtained", "region=\"eu-west-1\""]);
    let address = run.address();
    wait_until("the new credentials are served", || get(address, "/v1/status", &[]).body.contains(AWAY));
}
