"""The alerting rules, by Prometheus' own tool: they fire when they should, on metrics that are written as it reads them."""

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import rendered
import symptoms


def check(checks, credvend, local_sts, required):
    with tempfile.TemporaryDirectory(prefix="alerts-") as scratch:
        by_promtool(checks, scratch, required)
        by_metrics(checks, *metrics(credvend, local_sts, Path(scratch) / "sts"))


def by_promtool(checks, scratch, required):
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not promtool or not shutil.which(promtool):
        print("manifests: ALERTS NOT TRIED: promtool is missing; on Debian, apt-get install prometheus")
        checks.that(not required, "there is a promtool to try the alerts with")
        return
    # It reads rules beside their test.
    for file in (rendered.K8S / "alerts.yaml", rendered.HERE / "alerts.test.yaml"):
        shutil.copy(file, scratch)
    for what, *words in [
        ("the alerts are rules as Prometheus reads them", "check", "rules", "alerts.yaml"),
        ("the alerts fire when they should, and then only", "test", "rules", "alerts.test.yaml"),
    ]:
        done = subprocess.run([promtool, *words], cwd=scratch, capture_output=True, text=True)
        checks.that(done.returncode == 0, what, done.stdout + done.stderr)


def by_metrics(checks, kind, text):
    checks.that(kind.startswith("application/openmetrics-text"), "the metrics say that they are OpenMetrics", kind)
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        families = []
        print(error)
    checks.that(len(families) >= 5, f"a strict parser of OpenMetrics reads {len(families)} families", text)
    known = {sample.name for family in families for sample in family.samples}
    # Those on kube-state-metrics are somebody else's to name.
    rules = [rule for group in yaml.safe_load((rendered.K8S / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    named = set(re.findall(r"\bcredvend_\w+", " ".join(rule["expr"] for rule in rules)))
    what = f"the alerts name metrics that there are ({', '.join(sorted(named))})"
    checks.that(named and named <= known, what, f"{sorted(named - known)}")


def metrics(credvend, local_sts, home):
    """What the admin listener answers once everything that is counted has happened: its type, and the text."""
    server = symptoms.serve(local_sts, home)
    address, endpoint = free_addresses()
    variables = {
        "AWS_ENDPOINT_URL_STS": (home / "url").read_text(), "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token/token"),
        "AWS_ROLE_ARN": symptoms.ROLE, "CREDVEND_LISTEN": endpoint, "CREDVEND_ADMIN_LISTEN": address,
        "CREDVEND_CREDENTIALS_FILE": str(home / "aws/credentials"),
    }
    (home / "aws").mkdir()
    sidecar = subprocess.Popen([credvend, "run"], env=variables, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while subprocess.run([credvend, "health"], env=variables, capture_output=True).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError("credvend has no credentials")
            time.sleep(0.05)
        urllib.request.urlopen(f"http://{endpoint}/v1/credentials", timeout=5).close()
        # Credentials that cannot be written.
        shutil.rmtree(home / "aws")
        sidecar.send_signal(signal.SIGHUP)
        while True:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
                text = answer.read().decode()
            if "credvend_sink_failures_total{" in text:
                return answer.headers["Content-Type"], text
            if time.monotonic() > deadline:
                raise TimeoutError(f"credvend counts no failure of a sink: {text}")
            time.sleep(0.05)
    finally:
        for process in (sidecar, server):
            process.terminate()
            process.wait()


def free_addresses():
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{free.getsockname()[1]}" for free in (one, other)]
