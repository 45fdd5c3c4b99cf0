"""Tests the alerting rules with promtool, and the metrics of the binary with a strict OpenMetrics parser."""

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
import prometheus
import promql
import readme
import rendered


def check(checks, credvend, local_sts, required):
    with tempfile.TemporaryDirectory(prefix="alerts-") as scratch:
        check_rules(checks, scratch, required)
        kind, text, plain = metrics(credvend, local_sts, Path(scratch) / "sts")
        check_metrics(checks, kind, text)
        lint(checks, plain)


def check_rules(checks, scratch, required):
    promtool = prometheus.program("promtool")
    if not promtool:
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


def lint(checks, text):
    """Checks the names and the help of the metrics in the text format with promtool."""
    if promtool := prometheus.program("promtool"):
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
        checks.that(not done.returncode and not done.stderr, "promtool check metrics has no complaint", done.stdout + done.stderr)


def check_metrics(checks, kind, text):
    checks.that(kind.startswith("application/openmetrics-text"), "the content type of the metrics is OpenMetrics", kind)
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError as error:
        families = []
        print(error)
    checks.that(len(families) >= 5, f"a strict OpenMetrics parser reads {len(families)} metric families", text)
    rules = [rule for group in yaml.safe_load((rendered.K8S / "alerts.yaml").read_text())["groups"] for rule in group["rules"]]
    known = sample_labels(families) | prometheus.KUBE_STATE_METRICS
    wrong = [f"{rule['alert']}: {what}" for rule in rules for what in promql.unknown(rule["expr"], known)]
    checks.that(not wrong, f"the metrics and labels of the {len(rules)} alerts exist", "; ".join(wrong))
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


def sample_labels(families):
    """Returns the labels of each sample, by the name that queries use."""
    found = {}
    for family in families:
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def metrics(credvend, local_sts, home):
    """Returns the content type and the text of /metrics, once every metric has a value, and the same in the text format."""
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
            if 'credvend_sink_failures_total{sink="credentials_file"} 1' in text:
                request = urllib.request.Request(f"http://{address}/metrics", headers={"Accept": "text/plain"})
                with urllib.request.urlopen(request, timeout=5) as plain:
                    return answer.headers["Content-Type"], text, plain.read().decode()
            if time.monotonic() > deadline:
                raise TimeoutError(f"credvend did not count the failed write within 20 s: {text}")
            time.sleep(0.05)
    finally:
        sts.stop(sidecar, server)
