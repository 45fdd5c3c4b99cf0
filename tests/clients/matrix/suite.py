"""The suite: which checks run for which cell, and their results."""

import contextlib
import sys
import tempfile
import threading
import time
import traceback
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from matrix import network
from matrix.checks import CHECKS, Outcome
from matrix.install import NotAvailable
from matrix.outputs import OUTPUTS
from matrix.rig import Rig
from support.checks import CheckFailed

_print_lock = threading.Lock()


@dataclass(frozen=True)
class Job:
    client: object
    output: object
    check: object

    @property
    def name(self):
        return f"{self.client.name}.{self.output.name}"


@dataclass
class Results:
    # (client name, output name) → {check name: Outcome}
    cells: dict = field(default_factory=lambda: defaultdict(dict))
    # Client name → why it could not be had.
    not_tried: dict = field(default_factory=dict)
    unexpected: list = field(default_factory=list)
    passed: int = 0
    skipped: list = field(default_factory=list)


class Suite:
    def __init__(self, credvend, local_sts, scratch, jobs):
        self.credvend, self.local_sts, self.scratch, self._jobs = credvend, local_sts, scratch, jobs
        self.namespaces = network.namespaces_available()
        # For hard links into shared directories.
        self.binary_copy = scratch / "credvend"
        self.binary_copy.write_bytes(credvend.read_bytes())
        self.binary_copy.chmod(0o755)
        self.results = Results()
        self._places = {}
        self._heavy = threading.BoundedSemaphore(1)

    def install(self, clients):
        """Installs the clients, and returns those that can be had."""
        for client in clients:
            try:
                self._places[client.name] = client.install()
            except NotAvailable as reason:
                self.results.not_tried[client.name] = str(reason)
                print(f"not tried: {client.name}: {reason}", flush=True)
        return [client for client in clients if client.name in self._places]

    def run(self, jobs):
        """Runs the jobs. Slow ones, which wait for most of their time, run beside all others."""
        slow = [threading.Thread(target=self._run_job, args=(job,)) for job in jobs if job.check.slow]
        for thread in slow:
            thread.start()
        with ThreadPoolExecutor(self._jobs) as pool:
            list(pool.map(self._run_job, [job for job in jobs if not job.check.slow]))
        for thread in slow:
            thread.join()

    def _run_job(self, job):
        if job.output.namespace and not self.namespaces:
            self._add(job, None)
            return
        started = time.monotonic()
        with self._heavy if job.client.heavy and not job.check.slow else contextlib.nullcontext():
            outcome = self.attempt(job)
        self._add(job, outcome, time.monotonic() - started)

    def attempt(self, job, **options):
        """Runs a check in a thread with its own network namespace, and returns its outcome."""
        outcomes = []

        def work():
            outcomes.append(self._attempt_here(job, **options))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return outcomes[0]

    def _attempt_here(self, job, **options):
        try:
            if self.namespaces:
                network.enter_namespace()
            with tempfile.TemporaryDirectory(prefix=f"{job.name}-", dir=self.scratch, ignore_cleanup_errors=True) as scratch:
                with Rig(self, job.output, Path(scratch), *job.check.sts_options) as rig:
                    return job.check.run(rig, job.client, self._places[job.client.name], **options)
        except CheckFailed as failure:
            return Outcome(False, "failed", str(failure))
        except Exception:
            return Outcome(False, "failed", traceback.format_exc())

    def _add(self, job, outcome, seconds=0.0):
        with _print_lock:
            if outcome is None:
                self.results.skipped.append(job.name)
                print(f"skip {job.name} {job.check.name}: needs a network namespace (root)", flush=True)
                return
            self.results.cells[job.client.name, job.output.name][job.check.name] = outcome
            fails = job.client.fails.get(job.output.name)
            exception = job.client.exceptions.get((job.output.name, job.check.name))
            excused = fails or exception
            if outcome.ok and excused:
                self.results.unexpected.append(f"{job.name} {job.check.name} works, although it is recorded as: {excused}")
            elif not outcome.ok and not excused:
                self.results.unexpected.append(f"{job.name} {job.check.name}: {outcome.text}")
            else:
                self.results.passed += 1
            word = ("ok" if outcome.ok else "no") if bool(excused) != outcome.ok else "FAIL"
            line = f"{word:4} {job.name} {job.check.name}: {outcome.text} [{seconds:.0f} s]"
            if not outcome.ok:
                line += f"\n     {' '.join(outcome.details.split())[:800] if word == 'no' else outcome.details[:3000]}"
            print(line, flush=True)


def plan(clients, outputs, core, names=None):
    """Returns the jobs for these clients and outputs, those that take longest first; `names` limits the checks."""
    jobs = []
    for client in clients:
        for output in outputs:
            checks = [
                check for check in CHECKS
                if check.applies(client, output) and (check.core or not core) and (not names or check.name in names)
            ]
            if output.name in client.fails:
                # Only whether it still fails.
                checks = [] if core else [check for check in checks if check.name == "first"]
            elif any(check.name == "rotation" for check in checks):
                # It begins with a first call.
                checks = [check for check in checks if check.name != "first"]
            jobs += [Job(client, output, check) for check in checks]
    order = [check.name for check in sorted(CHECKS, key=lambda check: (not check.slow, "rotat" not in check.name))]
    return sorted(jobs, key=lambda job: order.index(job.check.name))


def select(clients, names):
    """Returns the clients and the outputs that `--only` names: CLIENT, OUTPUT or CLIENT.OUTPUT, between commas."""
    if not names:
        return list(clients.values()), list(OUTPUTS.values())
    chosen_clients, chosen_outputs = [], []
    for name in names.split(","):
        for part in name.split("."):
            if part in clients:
                chosen_clients.append(clients[part])
            elif part in OUTPUTS:
                chosen_outputs.append(OUTPUTS[part])
            else:
                sys.exit(f"there is no client and no output with the name {part}; clients: {', '.join(clients)}")
    return chosen_clients or list(clients.values()), chosen_outputs or list(OUTPUTS.values())
