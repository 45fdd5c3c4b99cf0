"""Crowds of clients against the endpoint, while a good client opens a new connection for each request."""

import threading
import time

from stage.scenario import scenario

PEAK = 16
LATENCY = 0.3


@scenario(alone=True)
def idle(stage, report):
    """2,000 idle connections do not keep a client from its credentials."""
    attack(stage, report, [("idle", 2000)])


@scenario(alone=True)
def slowloris(stage, report):
    """500 clients that send a byte each second do not keep a client from its credentials."""
    attack(stage, report, [("slowloris", 500)])


@scenario(alone=True)
def keep_alive(stage, report):
    """300 polite clients that keep their connections do not keep a new client from its credentials."""
    attack(stage, report, [("keep-alive", 300)])


@scenario(alone=True)
def never_reading(stage, report):
    """300 clients that send requests and read no response do not keep a client from its credentials."""
    attack(stage, report, [("never-reading", 300)])


@scenario(alone=True)
def flood(stage, report):
    """Clients that connect again and again do not keep a client from its credentials."""
    attack(stage, report, [("flood", 20)])


@scenario(alone=True)
def few_descriptors(stage, report):
    """With 64 file descriptors, idle, slow and polite crowds do not keep a client from its credentials."""
    crowds = [("idle", 200), ("slowloris", 100), ("keep-alive", 100)]
    attack(stage, report, crowds, prefix=["prlimit", "--nofile=64:64"])


@scenario(alone=True)
def all_kinds(stage, report):
    """All crowds together do not keep a client from its credentials."""
    attack(stage, report, [("idle", 1000), ("slowloris", 300), ("keep-alive", 200), ("never-reading", 100)])


def attack(stage, report, crowds, **options):
    sidecar = stage.start(**options)
    probes = Probes(sidecar)
    for kind, count in crowds:
        stage.crowd(kind, count, sidecar.address)
    client = stage.good_client(sidecar.url)
    with probes:
        time.sleep(stage.scaled(30, 6))
    client.report(report, LATENCY)
    report.figure("failed of `credvend health`", probes.failed, exactly=0)
    report.that("at least 2 probes ran", probes.count >= 2, probes.count)
    report.figure("VmHWM", sidecar.usage.peak, "MiB", at_most=PEAK)
    report.that("the process lives", sidecar.is_running())
    lines = sidecar.log_lines("connection|descriptor|accept")
    report.figure("log lines about connections", len(lines), at_most=2)


class Probes:
    """Runs `credvend health` once per second until the `with` block ends."""

    def __init__(self, sidecar):
        self._sidecar = sidecar
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.count = self.failed = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        while not self._stop.wait(1):
            code, _ = self._sidecar.health()
            self.count += 1
            self.failed += code != 0
