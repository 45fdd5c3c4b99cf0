"""Faults of TLS between credvend and STS: exit code, time, memory, recovery."""

from concurrent.futures import ThreadPoolExecutor

from scenarios.outage import time_to_change
from stage.certificates import Authority
from stage.peak import run_measured
from stage.scenario import scenario
from stage.tls import TlsFront
from support.roles import ROLE_A

PEAK = 16
TIMEOUT = 4.0


def long_chain(authority):
    """Returns an authority below 40 others, each of whose certificates has 60 KB."""
    for number in range(40):
        authority = Authority(f"intermediate {number}", authority, padding=60_000)
    return authority


FAULTS = {
    "expired": lambda authority, file: authority.issue(file, days=-1, since=10),
    "not yet valid": lambda authority, file: authority.issue(file, since=-1),
    "wrong host": lambda authority, file: authority.issue(file, names=("sts.example", "127.0.0.9")),
    "self-signed": lambda authority, file: authority.issue(file, self_signed=True),
    "another authority": lambda authority, file: Authority("other").issue(file),
    "chain of 2.4 MB": lambda authority, file: long_chain(authority).issue(file),
}
HANDSHAKES = ("plain", "close", "silent")


@scenario
def every_kind(stage, report):
    """A server that is not STS never gets a token; `export` ends with 5 in time, `run` serves on and recovers."""
    stage.start_sts()
    authority = Authority()
    bundle = stage.scratch / "bundle.pem"
    bundle.write_bytes(authority.pem)
    good = authority.issue(stage.scratch / "good.pem")
    certificates = {name: make(authority, stage.scratch / f"{number}.pem") for number, (name, make) in enumerate(FAULTS.items())}

    def attack(name):
        sts = stage.start_sts()
        front = TlsFront(stage, sts.url)
        front.certificate = good
        variables = {**sts.pod_variables(ROLE_A), "AWS_ENDPOINT_URL_STS": front.url, "AWS_CA_BUNDLE": bundle}
        sidecar = stage.start(level="trace", **variables)
        before, calls = sidecar.key(), sts.exchange_count()
        front.certificate, front.handshake = certificates.get(name, good), name if name in HANDSHAKES else "normal"
        front.close_connections()
        ended = run_measured(stage, ["export", "--timeout", f"{TIMEOUT:.0f}s"], TIMEOUT + 4, **variables)
        sidecar.reload()
        leaked = sts.exchange_count() - calls
        served = sidecar.get()[0] == 200
        front.certificate, front.handshake = good, "normal"
        return name, ended, served, leaked, sidecar.usage.peak, time_to_change(sidecar, before, 20)

    with ThreadPoolExecutor(5) as pool:
        rows = list(pool.map(attack, [*FAULTS, *HANDSHAKES]))
    for name, ended, served, _, _, recovery in rows:
        report.that(f"{name}: exit code 5", ended.code == 5, f"{ended.code} after {ended.seconds:.1f} s: {ended.last_line}")
        report.that(f"{name}: `run` serves on", served)
        report.that(f"{name}: recovered", recovery is not None)
    report.figure("kinds", len(rows))
    report.figure("requests that reached the false server", sum(row[3] for row in rows), exactly=0)
    report.figure("slowest `export`", max(ended.seconds for _, ended, *_ in rows), "s", at_most=TIMEOUT + 1)
    report.figure("highest VmHWM of `export`", max(ended.peak for _, ended, *_ in rows), "MiB", at_most=PEAK)
    report.figure("of `run`", max(row[4] for row in rows), "MiB", at_most=PEAK)
    # An attempt that waits for a handshake ends after 2 s, and the next one follows within 2 s.
    report.figure("slowest recovery", max((row[5] for row in rows if row[5] is not None), default=None), "s", at_most=6.0)
