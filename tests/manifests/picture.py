"""Draws k8s/dashboard.svg: runs credvend under faults, records its metrics with Prometheus, and draws the dashboard's queries.

The local STS issues sessions of two minutes and tokens of two and a half, so that a few minutes show what takes hours in a cluster.
"""

import contextlib
import json
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import commands
import dashboard
import drawing
import local_sts as sts
import prometheus
import rendered

PICTURE = rendered.K8S / "dashboard.svg"
SESSION, TOKEN = 120, 150
DURATION = 420
STEP = 3
# The local STS answers within a few milliseconds, which a real one does not.
LATENCY = {"delay": {"milliseconds": 70}}
VARIABLES = {**dashboard.VARIABLES, "$__rate_interval": "15s", "$__range": f"{DURATION}s"}

# The spans of the faults: start and end in seconds, and the label in the picture.
THROTTLED, UNWRITABLE, UNREACHABLE, RESTARTED = (50, 85), (120, 185), (205, 330), (360, 362)
SPANS = {
    "STS throttles": THROTTLED,
    "the credentials file cannot be written": UNWRITABLE,
    "STS cannot be reached": UNREACHABLE,
    "the process restarts": RESTARTED,
}


def draw(credvend, local_sts):
    if not prometheus.program("prometheus"):
        print("manifests: prometheus is missing; on Debian, run apt-get install prometheus")
        return 1
    described = json.loads(dashboard.DASHBOARD.read_text())
    with tempfile.TemporaryDirectory(prefix="picture-") as scratch, prometheus.Prometheus(Path(scratch) / "prometheus") as server:
        start = record(credvend, local_sts, Path(scratch), server)
        panels = [(panel, results(panel, server, start)) for panel in described["panels"]]
        PICTURE.write_text(drawing.svg(panels, start, start + DURATION, SPANS))
    print(f"{PICTURE.relative_to(rendered.ROOT)}: {PICTURE.stat().st_size // 1024} KiB")
    return 0


def results(panel, server, start):
    """Returns the series of each query of a panel, as pairs of a legend and a list of (seconds since 1970, value)."""
    found = []
    for target in panel.get("targets", []):
        expression, end = dashboard.substituted(target["expr"], VARIABLES), start + DURATION
        if target.get("instant"):
            series = [(labels, [(end, value)]) for labels, value in server.query(expression, end)]
        else:
            series = server.query_range(expression, start, end, STEP)
        found += [(legend(target["legendFormat"], labels), values) for labels, values in series]
    return sorted(found, key=lambda one: one[0])


def legend(text, labels):
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def record(credvend, local_sts, scratch, server):
    """Runs credvend for some minutes with the faults of SPANS. Returns the time of the start."""
    home, folder = scratch / "sts", scratch / "aws"
    local = sts.serve(local_sts, home, "--credential-lifetime", str(SESSION), "--token-lifetime", str(TOKEN))
    folder.mkdir()
    admin, endpoint = commands.free_addresses()
    variables = {
        **sts.variables(home),
        "CREDVEND_CHAIN_ROLE_ARNS": sts.CHAINED_ROLE,
        "CREDVEND_LISTEN": endpoint,
        "CREDVEND_ADMIN_LISTEN": admin,
        "CREDVEND_CREDENTIALS_FILE": str(folder / "credentials"),
    }
    run = lambda: subprocess.Popen([credvend, "run"], env=variables, stderr=subprocess.DEVNULL)
    sidecar = run()
    stopped = threading.Event()
    client = threading.Thread(target=keep_requesting, args=(endpoint, stopped))
    try:
        sts.wait_until_ready(credvend, variables)
        server.scrape(admin)
        wait_until_scraped(server)
        start = time.time()
        client.start()
        script(home, LATENCY)
        until(start, THROTTLED[0])
        script(home, "throttle")
        sidecar.send_signal(signal.SIGHUP)
        until(start, THROTTLED[1])
        script(home, LATENCY)
        until(start, UNWRITABLE[0])
        # A directory that is gone is as good as a full volume.
        shutil.rmtree(folder)
        sidecar.send_signal(signal.SIGHUP)
        until(start, UNWRITABLE[1])
        folder.mkdir()
        until(start, UNREACHABLE[0])
        script(home, "reset")
        until(start, UNREACHABLE[1])
        script(home, LATENCY)
        until(start, RESTARTED[0])
        sts.stop(sidecar)
        sidecar = run()
        until(start, DURATION)
        return start
    finally:
        stopped.set()
        if client.is_alive():
            client.join()
        sts.stop(sidecar, local)


def script(home, fault):
    """Makes the local STS answer each request with this fault from now on."""
    sts.control(home, "DELETE", "faults")
    sts.fault(home, fault, times="forever")


def until(start, seconds):
    time.sleep(max(0, start + seconds - time.time()))


def wait_until_scraped(server):
    deadline = time.monotonic() + 30
    while not server.query("credvend_build_info"):
        if time.monotonic() > deadline:
            raise TimeoutError("Prometheus did not scrape credvend within 30 s")
        time.sleep(0.2)


def keep_requesting(endpoint, stopped):
    """Requests credentials five times a second."""
    while not stopped.wait(0.2):
        with contextlib.suppress(OSError):
            try:
                urllib.request.urlopen(f"http://{endpoint}/v1/credentials", timeout=5).close()
            except urllib.error.HTTPError as error:
                error.close()
