"""Tests the alerting rules with promtool, and the metrics of the binary with a strict OpenMetrics parser."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

import commands
import local_sts as sts
import readme
import rendered


def check(checks, credvend, local_sts, required):
    with tempfile.TemporaryDirectory(prefix="alerts-") as scratch:
        check_rules(checks, scratch, required)
        check_metrics(checks, *metrics(credvend, local_sts, Path(scratch) / "sts"))


def check_rules(checks, scratch, required):
    promtool = os.environ.get("PROMTOOL") or shutil.which("promtool")
    if not promtool or not shutil.which(promtool):
        print("manifests: ALERTS NOT TESTED: promtool is missing; on Debian, run apt-get install prometheus")
        checks.that(not required, "promtool is available to test the alerts")
        return
    # The test file refers to the rules in its own directory.
    for file in (rendered.K8S / "alerts.yaml", rendered.HERE / "alerts.test.yaml"):
        shutil.copy(file, scratch)
    for what, *words in [
        ("Prometheus accepts the alerting rules", "check", "rules", "alerts.yaml"),
        ("the alerts fire when they should, and not otherwise", "test", "rules", "alerts.test.yaml"),
    ]:
        done = subprocess.run([promtool, *words], cwd=scratch, capture_output=True, text=True)
        checks.that(done.returncode == 0, what, done.stdout + done.stderr)


def check_metrics(checks, kind, text):
    checks.that(kind.startswith("application/openmetrics-text"), "the content type of the metrics is OpenMetrics", kind)
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        families = []
        print(error)
    checks.that(len(families) >= 5, f"a strict OpenMetrics parser reads {len(families)} metric families", text)
    known = {sample.name for family in families for sample in family.samples}
    # Metrics of kube-state-metrics have other names.
    rules = [rule for group in yaml.safe_load((rendered.K8S / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    named = set(re.findall(r"\bcredvend_\w+", " ".join(rule["expr"] for rule in rules)))
    what = f"the metrics of the alerts exist ({', '.join(sorted(named))})"
    checks.that(named and named <= known, what, f"{sorted(named - known)}")
    rows = readme.table(readme.MANUAL.read_text(), "### Metrics")
    listed = {row["Metric"].strip("`"): set(readme.INLINE.findall(row["Labels"])) for row in rows}
    exported = labels(families)
    checks.that(listed == exported, "k8s/README.md lists the metrics and their labels", f"the binary has {exported}")


def labels(families):
    """Returns the labels of each metric family, by the name that queries use."""
    suffixes = {"counter": "_total", "info": "_info"}
    return {
        family.name + suffixes.get(family.type, ""): {label for sample in family.samples for label in sample.labels} - {"le"}
        for family in families
    }


def metrics(credvend, local_sts, home):
    """Returns the content type and the text of /metrics, once every metric has a value."""
    server = sts.serve(local_sts, home)
    address, endpoint = commands.free_addresses()
    variables = {
        **sts.variables(home),
        "CREDVEND_LISTEN": endpoint,
        "CREDVEND_ADMIN_LISTEN": address,
        "CREDVEND_CREDENTIALS_FILE": str(home / "aws/credentials"),
    }
    (home / "aws").mkdir()
    sidecar = subprocess.Popen([credvend, "run"], env=variables, stderr=subprocess.DEVNULL)
    try:
        sts.wait_until_ready(credvend, variables)
        urllib.request.urlopen(f"http://{endpoint}/v1/credentials", timeout=5).close()
        # A refresh now cannot write the credentials file.
        shutil.rmtree(home / "aws")
        sidecar.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 20
        while True:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=5) as answer:
                text = answer.read().decode()
            if "credvend_sink_failures_total{" in text:
                return answer.headers["Content-Type"], text
            if time.monotonic() > deadline:
                raise TimeoutError(f"credvend did not count the failed write within 20 s: {text}")
            time.sleep(0.05)
    finally:
        sts.stop(sidecar, server)
