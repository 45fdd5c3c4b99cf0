"""Memory, wake-ups and CPU of a process with nothing to do, and of 10,000 refreshes."""

import statistics
import subprocess
import threading
import time

from figure import Goal, compared, single
from processes import Sidecar, cpu_seconds, memory, wake_ups

IDLE = "Idle: one profile, the endpoint"
PROFILES, RELOADS = 500, 20
# The memory of 500 calls at once settles after some reloads.
WARM_UP = 12
# A reload refreshes a hop at most once in 2 s.
INTERVAL = 2.1
# Credentials of an hour are refreshed after 30 to 34.5 minutes.
REFRESHES_AN_HOUR = 60 / 32.25


def measure(bench):
    with Sidecar([bench.credvend], bench.sts.environment) as sidecar:
        # Its connection to STS is closed after 5 s.
        time.sleep(bench.rounds(6, 1))
        used = memory(sidecar.pid)
        yield single(IDLE, "resident memory", "MiB", used.resident, goal=Goal("≤", 4.5, "MiB"), limit=Goal("≤", 6.0, "MiB"))
        yield single(IDLE, "anonymous memory", "MiB", used.anonymous, goal=Goal("≤", 0.45, "MiB"), limit=Goal("≤", 2.0, "MiB"))
        if used.proportional is not None:
            yield single(IDLE, "proportional memory (PSS)", "MiB", used.proportional)
        if bench.is_short:
            return
        began, cpu, woken = time.monotonic(), cpu_seconds(sidecar.pid), wake_ups(sidecar.pid)
        # What runs beside the idle process hardly changes its CPU time.
        refreshed, cost = refreshes(bench)
        time.sleep(max(0.0, 60 - (time.monotonic() - began)))
        hours = (time.monotonic() - began) / 3600
        idle_cpu, woken = (cpu_seconds(sidecar.pid) - cpu) * 1000 / hours, (wake_ups(sidecar.pid) - woken) / hours
    yield single(IDLE, f"wake-ups an hour, from {hours * 3600:.0f} s without a refresh", "", woken)
    yield single(IDLE, "CPU an hour, its refreshes included", "ms", idle_cpu + REFRESHES_AN_HOUR * cost, goal=Goal("≤", 10.0, "ms"))
    yield from refreshed


def refreshes(bench):
    """Returns the figures of 10,000 refreshes, and the CPU time of one in milliseconds."""
    arguments = ["--config", bench.sts.profiles(bench.scratch / "config", PROFILES), "--all-profiles"]
    environment = {name: bench.sts.environment[name] for name in ("AWS_ENDPOINT_URL_STS", "AWS_REGION")}
    with Sidecar([bench.credvend], environment, *arguments) as sidecar:
        counter = Counter(sidecar.process)
        counter.wait_for(PROFILES)
        for _ in range(WARM_UP):
            reload(sidecar, counter)
        cpu, counted, resident = cpu_seconds(sidecar.pid), counter.count, []
        for _ in range(RELOADS):
            reload(sidecar, counter)
            resident.append(memory(sidecar.pid).resident)
        number = counter.count - counted
        cost = (cpu_seconds(sidecar.pid) - cpu) * 1000 / number
    first, second = (statistics.median(half) for half in (resident[: RELOADS // 2], resident[RELOADS // 2 :]))
    group = f"{number:,} refreshes of {PROFILES} profiles"
    return [
        single(group, "CPU of a refresh", "ms", cost),
        compared(group, "resident memory, second half", "MiB", [second], "first half", [first], goal=Goal("≤", 1.1, "×")),
    ], cost


def reload(sidecar, counter):
    """Refreshes every profile."""
    expected = counter.count + PROFILES
    time.sleep(INTERVAL)
    subprocess.run(["kill", "-HUP", str(sidecar.pid)], check=True)
    counter.wait_for(expected)


class Counter:
    """Counts the log lines of the refreshes, in a thread that ends with the process."""

    def __init__(self, process):
        self.count = 0
        self.changed = threading.Condition()
        threading.Thread(target=self.read, args=(process.stderr,), daemon=True).start()

    def read(self, lines):
        for line in lines:
            if "credentials obtained" in line:
                with self.changed:
                    self.count += 1
                    self.changed.notify()

    def wait_for(self, count):
        with self.changed:
            assert self.changed.wait_for(lambda: self.count >= count, 60), f"{self.count} of {count} refreshes"
