"""Faults of the web identity token: exit code, time, memory, recovery."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from scenarios.outage import time_to_change
from stage import kinds
from stage.peak import run_measured
from stage.scenario import scenario
from support.roles import ROLE_A

PEAK = 16
TIMEOUT = 4.0


def missing(path, sts):
    pass


def expired(path, sts):
    path.write_text(sts.mint(lifetime=600, issued_at_offset=-1200))


def not_yet_valid(path, sts):
    path.write_text(sts.mint(issued_at_offset=1200))


def other_issuer(path, sts):
    path.write_text(sts.mint(issuer="https://issuer.example"))


def other_audience(path, sts):
    path.write_text(sts.mint(audience=["other"]))


def two_tokens(path, sts):
    path.write_text(f"{sts.mint()}\n{sts.mint()}\n")


def hostile_claims(path, sts):
    path.write_text(sts.mint(namespace="\u001b[2J\u202enamespace\n" * 20, pod_name="\u0007" * 300))


# The exit codes of `export`: 3 the token, 4 STS refuses it.
FAULTS = {
    "missing": (missing, (3,)), "expired": (expired, (3,)), "not yet valid": (not_yet_valid, (3, 4)),
    "another issuer": (other_issuer, (4,)), "another audience": (other_audience, (4,)), "two tokens": (two_tokens, (3,)),
    "hostile claims": (hostile_claims, (4,)),
    **{name: (lambda path, sts, make=make: make(path), (3,)) for name, make in kinds.ALL.items()},
}


@scenario
def every_kind(stage, report):
    """Whatever the token file holds, `export` ends in time with the right code, `run` serves on and recovers."""

    def attack(name):
        make, _ = FAULTS[name]
        sts = stage.start_sts()
        token = stage.temporary_directory() / "token"
        token.write_text(sts.mint())
        variables = {**sts.pod_variables(ROLE_A), "AWS_WEB_IDENTITY_TOKEN_FILE": token}
        sidecar = stage.start(level="trace", **variables)
        before = sidecar.key()
        restore = kinds.replace(token, lambda path: make(path, sts))
        ended = run_measured(stage, ["export", "--timeout", f"{TIMEOUT:.0f}s"], TIMEOUT + 4, **variables)
        sidecar.reload()
        served = sidecar.get(timeout=1)[0] == 200
        if os.path.lexists(token):
            restore()
        else:
            token.with_name("token.saved").rename(token)
        return name, ended, served, sidecar.usage.peak, time_to_change(sidecar, before, 20)

    with ThreadPoolExecutor(5) as pool:
        rows = list(pool.map(attack, FAULTS))
    for name, ended, served, _, recovery in rows:
        expected = FAULTS[name][1]
        report.that(f"{name}: exit code in {expected}", ended.code in expected, f"{ended.code} after {ended.seconds:.1f} s: {ended.last_line}")
        report.that(f"{name}: `run` serves on", served)
        report.that(f"{name}: recovered", recovery is not None)
        raw = [character for character in ended.stderr if not (character.isprintable() or character == "\n")]
        report.that(f"{name}: no raw control characters", not raw, raw[:5])
    report.figure("kinds", len(rows))
    report.figure("slowest `export`", max(ended.seconds for _, ended, *_ in rows), "s", at_most=TIMEOUT + 1)
    report.figure("highest VmHWM of `export`", max(ended.peak for _, ended, *_ in rows), "MiB", at_most=PEAK)
    report.figure("of `run`", max(row[3] for row in rows), "MiB", at_most=PEAK)
    report.figure("slowest recovery", max((row[4] for row in rows if row[4] is not None), default=None), "s", at_most=5.0)


@scenario
def rotation(stage, report):
    """Atomic rotations of the projected volume do not make an exchange fail."""
    sts = stage.start_sts()
    volume = stage.temporary_directory()
    tokens = [sts.mint() for _ in range(10)]
    rotate(volume, 0, tokens[0])
    exports = stage.scaled(1000, 100)
    stopping = threading.Event()

    def rotate_until_stopped():
        number = 0
        while not stopping.is_set():
            number += 1
            rotate(volume, number, tokens[number % len(tokens)])
            time.sleep(0.001)
        return number

    with ThreadPoolExecutor(1) as pool:
        rotations = pool.submit(rotate_until_stopped)
        codes = [stage.run_command("export", AWS_WEB_IDENTITY_TOKEN_FILE=volume / "token").returncode for _ in range(exports)]
        stopping.set()
    report.figure("rotations", rotations.result(), at_least=exports)
    report.figure("exchanges", sts.exchange_count(), at_least=exports)
    report.figure("failed", sum(code != 0 for code in codes), exactly=0)


def rotate(volume, number, token):
    """Replaces the token as the kubelet does: a new directory, and a link that is renamed over `..data`."""
    data = volume / f"..{number}"
    data.mkdir()
    (data / "token").write_text(token)
    (volume / "..new").symlink_to(data.name)
    old = os.readlink(volume / "..data") if os.path.lexists(volume / "..data") else None
    (volume / "..new").rename(volume / "..data")
    if old:
        (volume / old / "token").unlink()
        (volume / old).rmdir()
    else:
        (volume / "token").symlink_to("..data/token")


@scenario
def unreadable(stage, report):
    """A token that this user cannot read gives 3 and a message with uid and mode."""
    stage.require_root()
    sts = stage.start_sts()
    token = stage.temporary_directory() / "token"
    token.write_text(sts.mint())
    token.chmod(0o400)
    stage.scratch.parent.chmod(0o755)
    ended = stage.run_command(
        "export", prefix=["setpriv", "--reuid=4242", "--regid=4242", "--clear-groups"], AWS_WEB_IDENTITY_TOKEN_FILE=token,
    )
    report.figure("exit code", ended.returncode, exactly=3)
    report.that("the message names the uid", "4242" in ended.stderr, ended.stderr[-300:])
