"""Each file that credvend reads, replaced by each kind of object: no hang, little memory, the right exit code, recovery."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from stage import kinds
from stage.certificates import Authority
from stage.peak import TOO_MUCH, run_measured
from stage.scenario import scenario
from support.roles import ROLE_A

TIMEOUT = "3s"
KILLED_AFTER = 8
PEAK = 16
WORKERS = 6
PLACES = 5
# A dangling link is a missing file, and these files may be missing or empty.
OPTIONAL = {("shared credentials", "dangling link"), ("shared credentials", "empty file"), ("config", "empty file")}


class Place:
    """A file that credvend reads, with the options and variables that name it, and the exit codes for an unusable file."""

    def __init__(self, name, codes, file, options, variables=None):
        self.name, self.codes, self.file, self.options, self.variables = name, codes, file, options, variables or {}


def places(stage):
    """Creates a directory with all files in good order, and returns the places."""
    directory = stage.temporary_directory()
    token = directory / "token"
    token.write_text(stage.sts.mint())
    config = directory / "config"
    config.write_text(f"[default]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {token}\n")
    credentials = directory / "credentials"
    credentials.write_text("[other]\naws_access_key_id = AKIAOTHER\naws_secret_access_key = other\n")
    policy = directory / "policy"
    policy.write_text('{"Version": "2012-10-17", "Statement": []}')
    bundle = directory / "bundle.pem"
    bundle.write_bytes(Authority().pem)
    direct = ["--role-arn", ROLE_A, "--web-identity-token-file", str(token)]
    return [
        Place("config", (2,), config, ["--config", str(config)]),
        Place("shared credentials", (2,), credentials, ["--config", str(config)], {"AWS_SHARED_CREDENTIALS_FILE": credentials}),
        Place("CA bundle", (2,), bundle, direct, {"AWS_CA_BUNDLE": bundle}),
        Place("policy", (2,), policy, [*direct, "--policy", f"@{policy}"]),
        Place("token", (3,), token, direct),
    ]


def each(stage):
    """Returns every pair of a place, each with files of its own, and a kind."""
    stage.start_sts()
    return [(places(stage)[number], kind) for kind in kinds.ALL for number in range(PLACES)]


def variables_of(stage, place):
    return {"AWS_REGION": "us-east-1", **stage.sts.client_variables(), **place.variables}


@scenario
def one_shots(stage, report):
    """`export` ends with the right exit code, in time and with little memory, whatever stands in the place of a file."""

    def attack(case):
        place, kind = case
        kinds.replace(place.file, kinds.ALL[kind])
        words = ["export", *place.options, "--timeout", TIMEOUT]
        return place, kind, run_measured(stage, words, KILLED_AFTER, **variables_of(stage, place))

    with ThreadPoolExecutor(WORKERS) as pool:
        ended = list(pool.map(attack, each(stage)))
    hung = [f"{place.name}: {kind}" for place, kind, end in ended if end.code is None]
    report.figure("cases", len(ended))
    report.figure("hung", len(hung), exactly=0)
    report.figure("slowest", max(end.seconds for *_, end in ended), "s", at_most=5.0)
    report.figure("highest VmHWM", max(end.peak for *_, end in ended), "MiB", at_most=PEAK)
    report.figure("exit codes", dict(Counter(end.code for *_, end in ended)))
    for place, kind, end in ended:
        if end.code is None or end.peak > PEAK:
            report.fail(f"{place.name}, {kind}: exit code {end.code} after {end.seconds:.1f} s, {end.peak:.0f} MiB")
        elif end.code not in (*place.codes, *((0,) if (place.name, kind) in OPTIONAL else ())):
            report.fail(f"{place.name}, {kind}: exit code {end.code}, not {place.codes}: {end.last_line}")


@scenario
def run(stage, report):
    """`run` goes on serving whatever stands in the place of a file, and reads the file again once it is repaired."""

    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(lambda case: replace_while_running(stage, *case), each(stage)))
    report.figure("cases", len(results))
    report.figure("highest VmHWM", max(peak for peak, *_ in results), "MiB", at_most=PEAK)
    recoveries = [recovery for _, recovery, _ in results if recovery is not None]
    report.figure("not recovered", len(results) - len(recoveries), exactly=0)
    report.figure("slowest recovery", max(recoveries, default=None), "s", at_most=10.0)
    for *_, failures in results:
        for failure in failures:
            report.fail(failure)


def replace_while_running(stage, place, kind):
    """Replaces a file, reloads, repairs the file and reloads. Returns the peak memory, the time to recover and the failures."""
    label, failures = f"{place.name}, {kind}", []
    variables = {**variables_of(stage, place), "AWS_ROLE_ARN": "", "AWS_WEB_IDENTITY_TOKEN_FILE": ""}
    sidecar = stage.start(*place.options, **variables)
    before = sidecar.key()
    restore = kinds.replace(place.file, kinds.ALL[kind])
    sidecar.reload()
    peak = watch_memory(sidecar, 1.5)
    started = time.monotonic()
    status, _ = sidecar.get(timeout=2)
    latency = time.monotonic() - started
    if status != 200 or latency > 0.3:
        failures.append(f"{label}: status {status} after {latency:.2f} s")
    if peak > PEAK:
        failures.append(f"{label}: {peak:.0f} MiB")
    restore()
    recovery = recover(sidecar, before)
    if recovery is None:
        failures.append(f"{label}: no new credentials within 12 s of the repair; exit code {sidecar.process.poll()}")
    if sidecar.is_running():
        code, seconds = sidecar.terminate(seconds=3)
        if code != 0 or seconds > 1:
            failures.append(f"{label}: exit code {code} {seconds:.1f} s after SIGTERM")
        if code is None:
            sidecar.process.kill()
    return peak, recovery, failures


def watch_memory(sidecar, seconds):
    """Returns the peak memory in MiB. Kills a process that uses far too much, for the sake of the machine."""
    end, peak = time.monotonic() + seconds, 0.0
    while time.monotonic() < end and sidecar.is_running():
        peak = sidecar.usage.peak
        if peak > TOO_MUCH:
            sidecar.process.kill()
            sidecar.process.wait()
        time.sleep(0.02)
    return peak


def recover(sidecar, before):
    """Reloads and returns the time until the endpoint serves another key, or None."""
    if not sidecar.is_running():
        return None
    started = time.monotonic()
    sidecar.reload()
    while time.monotonic() - started < 12:
        if sidecar.get(timeout=1)[0] == 200 and sidecar.key() != before:
            return time.monotonic() - started
        time.sleep(0.05)
    return None


@scenario
def outputs(stage, report):
    """`run --once` and `export --output` refuse what cannot be a file, follow no loop, and never hang."""
    stage.start_sts()
    # A dangling link to the same directory is followed, and the content of the file that `export` replaces does not matter.
    usable = {"dangling link", "empty file", "binary file", "sparse file of 1 GiB"}
    ended = []
    for kind, make in kinds.ALL.items():
        for words in (["export", "--output"], ["run", "--once", "--credentials-file"]):
            file = stage.temporary_directory() / "output"
            make(file)
            end = run_measured(stage, [*words, file, "--timeout", TIMEOUT], KILLED_AFTER, **stage.pod_variables())
            ended.append(end)
            codes = (0, 6) if kind in usable else (6,)
            report.that(f"{' '.join(words)} with a {kind} exits with {codes}", end.code in codes, f"{end.code}: {end.last_line}")
    report.figure("cases", len(ended))
    report.figure("hung", sum(end.code is None for end in ended), exactly=0)
    report.figure("highest VmHWM", max(end.peak for end in ended), "MiB", at_most=PEAK)


