"""Runs credvend for an hour under faults, rotations and reloads, with 20 clients; the script `run` prepares the arguments.

A client that fails outside of an injected long outage is a failure, and so is memory or a number of descriptors that grows by
more than 5 % from the first to the last sixth of the run. Writes a plot of both as SVG.
"""

import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

# `support` comes from the suites with real clients.
HERE = Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "real-clients")]

from stage.arguments import new_file, suite_parser
from stage.report import Report
from stage.soak_clients import Clients
from stage.soak_plot import plot
from stage.stage import Attack, Stage
from support.environment import remove_aws_variables
from support.roles import ROLE_B
from support.waiting import wait_until

# Credentials are refreshed at 60 % of their lifetime at the latest, and served until 15 s before their expiry. Between the two, a
# session of 60 s has 9 s for retries. Shorter sessions have gaps, so they count as an outage for the clients.
LIFETIMES = (60, 75, 90)
SHORT_LIFETIMES = (10, 20, 40)
FAULTS = [
    "throttle", "reset", "garbage", "truncated_body", "cut_xml", "wrong_root", "missing_expiry", "past_expiry",
    "idp_communication_error", {"server_error": {"status": 503}}, {"delay": {"milliseconds": 700}}, {"drip": {"milliseconds": 1}},
    {"huge_body": {"mebibytes": 8}},
]
# An outage longer than any session, and the time after it in which clients may still fail.
LONG_OUTAGE = 100
# A fault makes up to 2 attempts fail. Retries within 9 s survive that, but not one fault after the other.
FAULT_INTERVAL = 15
RECOVERY = 5
SAMPLE = 5
GROWTH = 1.05
PEAK = 16


def main(arguments):
    report = Report("soak", "An hour of short sessions, faults, rotations and reloads loses no client and no memory.")
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as scratch:
        attack = Attack(arguments.credvend, arguments.local_sts, Path(scratch), None, False)
        with Stage(attack, "soak", Path(scratch)) as stage:
            sidecar = soak(stage, report, arguments.minutes * 60, arguments.plot)
            if arguments.log:
                arguments.log.write_text(sidecar.output())
    report.print()
    return 1 if report.failures else 0


def soak(stage, report, seconds, plot_file):
    sts = stage.start_sts("--credential-lifetime", "60", "--token-lifetime", "120")
    folder = stage.temporary_directory()
    sidecar = stage.start(
        "--chain-role-arn", ROLE_B, "--credentials-file", folder / "credentials", "--auth-token-file", folder / "token",
    )
    clients = Clients(sidecar.address, folder, stage)
    samples, events = [], Events(sts, sidecar, clients, seconds)
    started = time.monotonic()
    with clients:
        while (elapsed := time.monotonic() - started) < seconds and sidecar.is_running():
            usage = sidecar.usage
            samples.append((elapsed, usage.resident, usage.descriptors or 0, usage.threads))
            events.run(elapsed)
            time.sleep(SAMPLE)
    report.that("the process lives", sidecar.is_running(), sidecar.process.poll())
    wait_until("credvend is ready", 30, lambda: sidecar.get("/readyz")[0] == 200)
    evaluate(report, samples, clients, events, sidecar.usage.peak)
    if plot_file:
        plot_file.write_text(plot(samples, events.outages))
    return sidecar


class Events:
    """Injects a fault, a reload or a change of the lifetime at random, and the long outages at fixed times."""

    def __init__(self, sts, sidecar, clients, seconds):
        self._sts, self._sidecar, self._clients = sts, sidecar, clients
        # Each long outage has its own share of the run; a run of a few minutes has none.
        self._outages = [seconds * part for part in (0.3, 0.7)] if seconds >= 10 * LONG_OUTAGE else []
        self._end_of_outage = None
        self._end_of_short = None
        self._next_fault = 0.0
        self.faults = self.reloads = 0
        self.outages = []

    def run(self, elapsed):
        if self._end_of_outage is not None:
            if elapsed >= self._end_of_outage:
                self._sts.clear_faults()
                self._end_of_outage = None
                self._clients.tolerate(RECOVERY)
            return
        if self._end_of_short is not None:
            if elapsed >= self._end_of_short:
                self._sts.set_lifetime(60)
                self._sidecar.reload()
                self._end_of_short = None
                self._clients.tolerate(RECOVERY)
            return
        if self._outages and elapsed >= self._outages[0]:
            self._outages.pop(0)
            self._sts.clear_faults()
            self._sts.fault("reset")
            self._end_of_outage = elapsed + LONG_OUTAGE
            self.outages.append((elapsed, self._end_of_outage))
            self._clients.tolerate(LONG_OUTAGE + SAMPLE + RECOVERY)
            return
        choice = random.random()
        if choice < 0.4 and elapsed < self._next_fault:
            return
        if choice < 0.4:
            self.faults += 1
            self._next_fault = elapsed + FAULT_INTERVAL
            # Only calls take faults from the queue, so that many could have gathered.
            self._sts.clear_faults()
            self._sts.fault(random.choice(FAULTS), times=random.randint(1, 2))
        elif choice < 0.7:
            self.reloads += 1
            self._sidecar.reload()
        elif choice < 0.9:
            self._sts.set_lifetime(random.choice(LIFETIMES))
        elif choice < 0.92 and elapsed > 60:
            self._sts.set_lifetime(random.choice(SHORT_LIFETIMES))
            self._end_of_short = elapsed + 60
            self.outages.append((elapsed, self._end_of_short))
            self._clients.tolerate(60 + SAMPLE + RECOVERY)


def evaluate(report, samples, clients, events, peak):
    sixth = max(1, len(samples) // 6)
    # The start is left out, when the first connections and buffers are made.
    first, last = samples[1 : sixth + 1], samples[-sixth:]
    report.figure("duration", round(samples[-1][0] / 60), "min")
    report.figure("faults", events.faults)
    report.figure("reloads", events.reloads)
    report.figure("outages", len(events.outages))
    report.figure("clients", clients.count)
    report.figure("requests and reads", clients.requests, at_least=100)
    report.figure("failed outside of outages", clients.failed, exactly=0)
    report.that("no errors", not clients.errors, f"{dict(clients.errors)} at {sorted(clients.failed_at)}")
    report.figure("failed in outages", clients.tolerated)
    for label, index, unit in (("memory", 1, "MiB"), ("descriptors", 2, "")):
        before, after = (statistics.mean(sample[index] for sample in part) for part in (first, last))
        report.figure(f"{label} in the first sixth", float(before), unit)
        report.figure("in the last", float(after), unit, at_most=before * GROWTH)
    report.figure("threads at most", max(sample[3] for sample in samples))
    report.figure("VmHWM", peak, "MiB", at_most=PEAK)


def parse():
    parser = suite_parser(__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--log", type=new_file, metavar="FILE", help="writes the log of credvend to FILE")
    parser.add_argument("--plot", type=new_file, metavar="FILE.svg", help="writes the plot to FILE.svg")
    return parser.parse_args()


if __name__ == "__main__":
    remove_aws_variables()
    sys.exit(main(parse()))
