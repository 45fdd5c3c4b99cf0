"""The alerting rules, by Prometheus' own tool: they fire when they should, on metrics that are written as it reads them."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

import rendered
import symptoms


def check(checks, credvend, local_sts, required):
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not promtool or not shutil.which(promtool):
        print("manifests: ALERTS NOT TRIED: promtool is missing; on Debian, apt-get install prometheus")
        checks.that(not required, "there is a promtool to try the alerts with")
        return
    with tempfile.TemporaryDirectory(prefix="alerts-") as scratch:
        # It reads rules beside their test.
        for file in (rendered.K8S / "alerts.yaml", rendered.HERE / "alerts.test.yaml"):
            shutil.copy(file, scratch)
        for what, *words in [
            ("the alerts are rules as Prometheus reads them", "check", "rules", "alerts.yaml"),
            ("the alerts fire when they should, and then only", "test", "rules", "alerts.test.yaml"),
        ]:
            done = subprocess.run([promtool, *words], cwd=scratch, capture_output=True, text=True)
            checks.that(done.returncode == 0, what, done.stdout + done.stderr)
        kind, text = metrics(credvend, local_sts, Path(scratch) / "sts")
        checks.that(kind.startswith("application/openmetrics-text"), "the metrics say that they are OpenMetrics", kind)
        try:
            families = list(text_string_to_metric_families(text))
        except ValueError as error:
            families = []
            print(error)
        checks.that(len(families) >= 5, f"a strict parser of OpenMetrics reads {len(families)} families", text)


def metrics(credvend, local_sts, home):
    """What the admin listener answers once there are credentials: its type, and the text."""
    server = symptoms.serve(local_sts, home)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    variables = {
        "AWS_ENDPOINT_URL_STS": (home / "url").read_text(), "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token/token"),
        "AWS_ROLE_ARN": symptoms.ROLE, "CREDVEND_LISTEN": "none", "CREDVEND_ADMIN_LISTEN": address,
        "CREDVEND_CREDENTIALS_FILE": str(home / "credentials"),
    }
    sidecar = subprocess.Popen([credvend, "run"], env=variables, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while subprocess.run([credvend, "health"], env=variables, capture_output=True).returncode:
            if time.monotonic() > deadline:
                raise TimeoutError("credvend has no credentials")
            time.sleep(0.05)
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
            return answer.headers["Content-Type"], answer.read().decode()
    finally:
        for process in (sidecar, server):
            process.terminate()
            process.wait()
