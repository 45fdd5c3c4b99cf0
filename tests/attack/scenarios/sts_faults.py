"""Every fault that the local STS can inject, against `export` and `run`: exit code, time, memory, recovery."""

import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scenarios.outage import time_to_change
from stage.peak import run_measured
from stage.scenario import scenario
from support.roles import ROLE_A

SOURCE = Path(__file__).resolve().parents[2] / "local-sts/src/fault.rs"
PEAK = 16
TIMEOUT = 4.0
# The exit code of `export` if each call has the fault: 0 if it does not prevent the answer, 4 refused, 5 not reached.
FAULTS = {
    "throttle": ("throttle", (5,)),
    "throttle_with_retry_after": ({"throttle_with_retry_after": {"seconds": 2}}, (5,)),
    "error": ({"error": {"code": "AccessDenied", "status": 403, "message": "no \u001b[31m\nred"}}, (4,)),
    "server_error": ({"server_error": {"status": 500}}, (5,)),
    "idp_communication_error": ("idp_communication_error", (5,)),
    "invalid_identity_token_verification_key": ("invalid_identity_token_verification_key", (4, 5)),
    "reset": ("reset", (5,)),
    "close_kept_connection": ({"close_kept_connection": {"reset": True}}, (0,)),
    "hang": ("hang", (5,)),
    "delay": ({"delay": {"milliseconds": 1500}}, (0,)),
    "drip": ({"drip": {"milliseconds": 20}}, (5,)),
    "garbage": ("garbage", (4, 5)),
    "truncated_body": ("truncated_body", (5,)),
    "cut_xml": ("cut_xml", (4, 5)),
    "huge_body": ({"huge_body": {"mebibytes": 256}}, (4, 5)),
    "wrong_root": ("wrong_root", (4, 5)),
    "missing_expiry": ("missing_expiry", (4, 5)),
    "past_expiry": ("past_expiry", (4, 5)),
    "far_expiry": ("far_expiry", (4, 5)),
    "control_character": ("control_character", (4, 5)),
    "stale_date": ({"stale_date": {"seconds": 86400}}, (0, 4, 5)),
}
HARMLESS = ("close_kept_connection", "delay", "stale_date")
# The first retries come within 2 and 4 s. A response that drips ends with the attempt, after 10 s.
RECOVERY = (5.0, 12.0)


@scenario
def every_kind(stage, report):
    """Whatever STS answers, `export` ends in time with the right code, `run` serves on and recovers, memory stays small."""
    names = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower() for name in kinds_in_source()}
    report.that("the table has every kind of fault", names <= set(FAULTS), sorted(names - set(FAULTS)))
    with ThreadPoolExecutor(6) as pool:
        rows = list(pool.map(lambda name: attack(stage, name, *FAULTS[name]), FAULTS))
    for name, ended, expected, served, peak, recovery in rows:
        codes = f"{ended.code} after {ended.seconds:.1f} s, {ended.peak:.1f} MiB"
        report.that(f"{name}: exit code in {expected}", ended.code in expected, f"{codes}: {ended.last_line}")
        report.that(f"{name}: `run` serves on", served)
        report.that(f"{name}: no raw control characters", not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", ended.stderr), ended.stderr[-200:])
        if recovery is None or recovery > RECOVERY[name == "drip"]:
            report.fail(f"{name}: recovered after {recovery} s")
    report.figure("kinds", len(rows))
    report.figure("slowest `export`", max(ended.seconds for _, ended, *_ in rows), "s", at_most=TIMEOUT + 1)
    report.figure("highest VmHWM of `export`", max(ended.peak for _, ended, *_ in rows), "MiB", at_most=PEAK)
    report.figure("of `run`", max(peak for *_, peak, _ in rows), "MiB", at_most=PEAK)
    report.figure("slowest recovery", max((row[-1] for row in rows if row[-1] is not None), default=None), "s", at_most=RECOVERY[1])


def kinds_in_source():
    """Returns the names of the variants of `FaultKind`."""
    body = SOURCE.read_text().partition("pub enum FaultKind {")[2].partition("\n}")[0]
    return re.findall(r"^    ([A-Z]\w+)", body, re.MULTILINE)


def attack(stage, name, kind, expected):
    sts = stage.start_sts()
    variables = {**sts.pod_variables(ROLE_A), "CREDVEND_LOG": "trace"}
    sidecar = stage.start(level="trace", **sts.pod_variables(ROLE_A))
    sts.fault(kind)
    ended = run_measured(stage, ["export", "--timeout", f"{TIMEOUT:.0f}s"], TIMEOUT + 4, **variables)
    before = sidecar.key()
    sidecar.reload()
    time.sleep(1.5)
    served = sidecar.get()[0] == 200
    sts.clear_faults()
    # With a fault that does not prevent the answer, the credentials may already be new.
    recovery = 0.0 if name in HARMLESS and sidecar.key() != before else time_to_change(sidecar, before, 15)
    return name, ended, expected, served, sidecar.usage.peak, recovery
