"""Outages of STS: long, flapping, of one hop."""

import random
import time

from stage.scenario import scenario
from support.roles import ROLE_B

# An hour's session scaled to 90 s, and with it an outage of 25 minutes.
LIFETIME = 90
FAULTS = ["reset", "throttle", {"server_error": {"status": 503}}, "garbage", "idp_communication_error"]


@scenario
def long(stage, report):
    """An outage of 25 of 60 minutes is not noticed by clients, whenever it begins before the refresh."""
    lifetime = stage.scaled(4 * LIFETIME, LIFETIME)
    sts = stage.start_sts("--credential-lifetime", str(lifetime))
    sidecar = stage.start("--chain-role-arn", ROLE_B)
    client = stage.good_client(sidecar.url, interval=0.1)
    # The outage covers the refresh, which comes between 50 and 60 % of the lifetime, and ends before the session does.
    time.sleep(0.3 * lifetime)
    before, calls = sidecar.key(), sts.exchange_count()
    sts.fault("reset")
    time.sleep(lifetime * 25 / 60)
    attempts = sts.exchange_count() - calls
    sts.clear_faults()
    recovery = time_to_change(sidecar, before, 60)
    client.report(report)
    report.figure("calls during the outage", attempts, at_most=15)
    report.figure("renewed after the return", recovery, "s", at_most=60.0)


@scenario
def beyond_expiry(stage, report):
    """After an outage beyond the expiry, clients that ask have credentials within 2 s of the return of STS."""
    lifetime = 40
    sts = stage.start_sts("--credential-lifetime", str(lifetime))
    sidecar = stage.start()
    before = sidecar.key()
    sts.fault("reset")
    unavailable, calls, started = 0, sts.exchange_count(), time.monotonic()
    seconds = stage.scaled(180, lifetime + 30)
    while time.monotonic() - started < seconds:
        unavailable += sidecar.get()[0] == 503
        time.sleep(0.5)
    report.figure("503 during the outage", unavailable, at_least=1)
    report.figure("calls per second during it", (sts.exchange_count() - calls) / seconds, at_most=1.0)
    status, body = sidecar.get()
    report.that("the 503 says since when", status == 503 and "since" in body, body[:200])
    sts.clear_faults()
    report.figure("credentials after the return", time_to_change(sidecar, before, 70), "s", at_most=2.0)


@scenario
def flapping(stage, report):
    """An STS that fails two of three times, in changing ways, is not noticed by clients."""
    sts = stage.start_sts("--credential-lifetime", "60")
    sidecar = stage.start("--chain-role-arn", ROLE_B)
    client = stage.good_client(sidecar.url, interval=0.1)
    calls, started = sts.exchange_count(), time.monotonic()
    seconds = stage.scaled(300, 60)
    while time.monotonic() - started < seconds:
        sts.fault(random.choice(FAULTS))
        time.sleep(4)
        sts.clear_faults()
        time.sleep(2)
    client.report(report)
    report.figure("calls per second", (sts.exchange_count() - calls) / seconds, at_most=1.0)


@scenario
def second_hop(stage, report):
    """If only the second hop fails, its credentials are served on, and the first hop is not called again and again."""
    sts = stage.start_sts("--credential-lifetime", str(LIFETIME))
    sidecar = stage.start("--chain-role-arn", ROLE_B)
    before = sidecar.key()
    sts.fault({"server_error": {"status": 503}}, action="AssumeRole")
    client = stage.good_client(sidecar.url, interval=0.1)
    first = len(sts.requests("AssumeRoleWithWebIdentity"))
    time.sleep(LIFETIME - 18)
    client.report(report)
    report.figure("calls of the first hop", len(sts.requests("AssumeRoleWithWebIdentity")) - first, at_most=2)
    report.figure("calls of the second hop", len(sts.requests("AssumeRole")), at_most=20)
    sts.clear_faults()
    # The credentials expire 15 s after the return at the latest, and then a request starts an attempt.
    report.figure("renewed after the return", time_to_change(sidecar, before, 70), "s", at_most=10.0)


def time_to_change(sidecar, before, seconds):
    """Requests credentials until they are new, and returns the time until then, or None."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        if sidecar.key() not in (None, before):
            return time.monotonic() - started
        time.sleep(0.05)
    return None
