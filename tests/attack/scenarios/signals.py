"""Signals at every moment, and storms of them."""

import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from scenarios.locks import hold
from stage import proc
from stage.scenario import scenario
from support.waiting import wait_until

WORKERS = 4


@scenario
def at_start(stage, report):
    """From the moment at which the handlers are there, SIGTERM and SIGINT end `run` with 0 within 1 s, and SIGHUP does not."""
    stage.start_sts()
    points = stage.scaled(100, 20)
    cases = [(number, 0.05 * point / points) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) for point in range(points)]

    def attack(case):
        number, delay = case
        process = stage.start(ready=False)
        time.sleep(delay)
        # Before the handlers are there, the kernel ends a process by the signal, whatever the process does.
        caught = proc.catches(process.pid, number)
        process.send(number)
        if number == signal.SIGHUP:
            time.sleep(0.3)
            lives = process.is_running()
            process.process.kill()
            return number, caught, "lives" if lives else process.process.wait(), 0.0
        started = time.monotonic()
        try:
            code = process.process.wait(5)
        except Exception:
            code = None
            process.process.kill()
        return number, caught, code, time.monotonic() - started

    with ThreadPoolExecutor(WORKERS) as pool:
        results = list(pool.map(attack, cases))
    report.figure("cases", len(results))
    report.figure("results", dict(Counter(f"{number.name} {code}" for number, _, code, _ in results)))
    handled = [result for result in results if result[1]]
    wrong = [result for result in handled if result[2] != ("lives" if result[0] == signal.SIGHUP else 0)]
    report.figure("sent to a handler", len(handled), at_least=10)
    report.figure("of these ended otherwise", len(wrong), exactly=0)
    report.figure("slowest end", max(seconds for *_, seconds in results), "s", at_most=1.0)


@scenario
def during_work(stage, report):
    """SIGTERM during an exchange, a write, a reload and a slow response ends `run` with 0 within 1 s."""
    sts = stage.start_sts()
    file = stage.temporary_directory() / "credentials"
    codes, slowest = Counter(), 0.0
    for work in ("hang", {"delay": {"milliseconds": 400}}, {"drip": {"milliseconds": 5}}, None):
        for delay in (0.0, 0.01, 0.05, 0.2):
            sidecar = stage.start("--credentials-file", file)
            if work:
                sts.fault(work)
            sidecar.reload()
            time.sleep(delay)
            code, seconds = sidecar.terminate(seconds=5)
            sts.clear_faults()
            codes[code] += 1
            slowest = max(slowest, seconds)
            if code != 0:
                report.fail(f"{work} {delay} s: exit code {code} after {seconds:.1f} s")
    report.figure("exit codes", dict(codes))
    report.figure("slowest end", slowest, "s", at_most=1.0)


@scenario
def storm(stage, report):
    """A SIGHUP every 0.02 s with an STS that takes 0.4 s does not keep the credentials from being renewed."""
    sts = stage.start_sts()
    sidecar = stage.start()
    client = stage.good_client(sidecar.url)
    before, calls = sidecar.key(), sts.exchange_count()
    sts.fault({"delay": {"milliseconds": 400}})
    seconds = stage.scaled(10, 5)
    keys = send_storm(sidecar, seconds)
    report.figure("renewals", len(keys - {before, None}), at_least=2)
    report.figure("calls per second", (sts.exchange_count() - calls) / seconds, at_most=3.0)
    client.report(report)
    report.figure("VmHWM", sidecar.usage.peak, "MiB", at_most=16)
    code, seconds = sidecar.terminate()
    report.figure("exit code on SIGTERM", code, exactly=0)
    report.figure("after", seconds, "s", at_most=1.0)


@scenario
def storm_while_throttled(stage, report):
    """A storm of SIGHUP does not reset the back-off while STS throttles."""
    sts = stage.start_sts()
    sidecar = stage.start()
    sts.fault("throttle")
    sidecar.reload()
    time.sleep(1)
    calls = sts.exchange_count()
    seconds = stage.scaled(20, 6)
    send_storm(sidecar, seconds)
    report.figure("calls per second", (sts.exchange_count() - calls) / seconds, at_most=1.0)
    report.figure("status of a request", sidecar.get()[0], exactly=200)


def send_storm(sidecar, seconds):
    """Sends a SIGHUP every 0.02 s and returns the access keys that the endpoint served meanwhile."""
    keys, end, number = set(), time.monotonic() + seconds, 0
    while time.monotonic() < end and sidecar.is_running():
        sidecar.reload()
        time.sleep(0.02)
        number += 1
        if number % 10 == 0:
            keys.add(sidecar.key())
    return keys


@scenario
def while_locked(stage, report):
    """A reload that waits for a lock does not delay the end: SIGTERM ends `run` within 1 s."""
    stage.start_sts()
    folder = stage.temporary_directory()
    options = ["--credentials-file", folder / "credentials", "--config-file", folder / "config", "--auth-token-file", folder / "token"]
    sidecar = stage.start(*options)
    for path in [folder, *folder.iterdir()]:
        hold(stage, path)
    sidecar.reload()
    time.sleep(0.5)
    code, seconds = sidecar.terminate()
    report.figure("exit code", code, exactly=0)
    report.figure("after", seconds, "s", at_most=1.0)


@scenario
def twice(stage, report):
    """The first signal drains, the second ends at once."""
    sidecar = stage.start("--drain", "60s")
    sidecar.send(signal.SIGTERM)
    wait_until("it drains", 5, lambda: sidecar.log_lines("drain"))
    report.figure("status while draining", sidecar.get()[0], exactly=200)
    code, seconds = sidecar.terminate(signal.SIGINT)
    report.that("it ends", code is not None, "still running")
    report.figure("second signal ends after", seconds, "s", at_most=1.0)
