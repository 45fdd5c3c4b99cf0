"""Clocks: steps of the wall clock, a stopped process, a stale Date, very short sessions."""

import os
import signal
import time
from datetime import datetime, timezone

from stage.report import Skipped
from stage.scenario import scenario
from support.waiting import wait_until

LIBRARIES = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
]


@scenario
def step_forward(stage, report):
    """A clock step of one hour forward makes no valid credentials unavailable and causes at most one exchange."""
    step(stage, report, "+3600")


@scenario
def step_back(stage, report):
    """A clock step of one hour back serves nothing expired, makes nothing unavailable and causes at most one exchange."""
    step(stage, report, "-3600")


def step(stage, report, offset):
    library = next((path for path in LIBRARIES if os.path.exists(path)), None)
    if not library or not stage.attack.dynamic:
        raise Skipped("needs libfaketime and a dynamically linked credvend (--dynamic)")
    sts = stage.start_sts("--credential-lifetime", "3600")
    faketime = stage.scratch / "faketime"
    faketime.write_text("+0")
    sidecar = stage.start(
        binary=stage.attack.dynamic, LD_PRELOAD=library, FAKETIME_TIMESTAMP_FILE=str(faketime),
        FAKETIME_NO_CACHE="1", FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1",
    )
    before = sts.exchange_count()
    client = stage.good_client(sidecar.url, interval=0.02)
    time.sleep(1)
    faketime.write_text(offset)
    time.sleep(stage.scaled(60, 12))
    faketime.write_text("+0")
    time.sleep(stage.scaled(30, 6))
    client.report(report)
    report.figure("exchanges for two steps", sts.exchange_count() - before, at_most=2)
    code, _ = sidecar.health()
    report.figure("exit code of `credvend health`", code, exactly=0)


@scenario
def stopped(stage, report):
    """After a stop longer than its sessions, nothing expired is served, and new credentials come within 2 s of a request."""
    lifetime = 40
    sts = stage.start_sts("--credential-lifetime", str(lifetime))
    sidecar = stage.start()
    before = sidecar.credentials()
    sidecar.send(signal.SIGSTOP)
    time.sleep(lifetime + 2)
    started = time.monotonic()
    sidecar.send(signal.SIGCONT)
    expired = 0
    while time.monotonic() - started < 10:
        document = sidecar.credentials()
        if document and document["AccessKeyId"] != before["AccessKeyId"]:
            break
        # The first request may already be in the socket when the process continues.
        expired += document is not None
    recovery = time.monotonic() - started
    report.figure("expired credentials served", expired, exactly=0)
    report.figure("new credentials after", recovery, "s", at_most=2.0)
    report.figure("exchanges", sts.exchange_count(), at_most=2)


@scenario
def stale_date(stage, report):
    """A response with a stale Date never makes expired credentials look valid."""
    lifetime = 40
    sts = stage.start_sts("--credential-lifetime", str(lifetime))
    sts.fault({"stale_date": {"seconds": 240}}, times=1)
    sidecar = stage.start()
    # The next exchanges fail, so that the first credentials stay until they expire.
    sts.fault({"server_error": {"status": 503}})
    first = sidecar.credentials()
    expiration = datetime.strptime(first["Expiration"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()
    last = watch(sidecar, first["AccessKeyId"], expiration + stage.scaled(240, 6))
    report.figure("last served before the expiry", expiration - last, "s", at_least=0.0)
    sts.clear_faults()
    started = time.monotonic()
    wait_until("new credentials", 20, lambda: sidecar.key() not in (None, first["AccessKeyId"]))
    report.figure("new credentials after the return of STS", time.monotonic() - started, "s", at_most=2.0)


def watch(sidecar, key, end):
    """Requests credentials until the wall clock is at `end`, and returns the last time at which the key was served."""
    last = time.time()
    while (now := time.time()) < end:
        if sidecar.key() == key:
            last = now
        elif now > last + 20:
            break
        time.sleep(0.2)
    return last


@scenario
def short_sessions(stage, report):
    """Sessions too short to serve are reported with a warning, and do not cause a storm of exchanges."""
    seconds = stage.scaled(60, 12)
    for lifetime in (10, 15):
        sts = stage.start_sts("--credential-lifetime", str(lifetime))
        sidecar = stage.start(ready=False, **sts.client_variables(), AWS_WEB_IDENTITY_TOKEN_FILE=sts.token_file)
        sidecar.find_url()
        time.sleep(seconds)
        warnings = sidecar.log_lines(r"WARN|ERROR")
        report.figure(f"{lifetime} s: warnings", len(warnings), at_least=1)
        report.figure("exchanges per second", sts.exchange_count() / seconds, at_most=1.0)
