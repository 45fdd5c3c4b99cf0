"""Checks k8s/dashboard.json: its layout, and each query against a Prometheus server that scrapes the real credvend."""

import itertools
import json
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from prometheus_client.openmetrics.parser import text_string_to_metric_families

import alerts
import commands
import local_sts as sts
import prometheus
import promql
import rendered

DASHBOARD = rendered.K8S / "dashboard.json"
SELECTOR = 'namespace=~"$namespace", pod=~"$pod"'
# Grafana replaces these variables; the ranges span several scrapes.
VARIABLES = {"$namespace": prometheus.NAMESPACE, "$pod": ".*", "$__rate_interval": "10s", "$__range": "1m"}
COLUMNS = 24


def check(checks, credvend, local_sts, required):
    dashboard = json.loads(DASHBOARD.read_text())
    check_layout(checks, dashboard)
    if not prometheus.program("prometheus"):
        print("manifests: DASHBOARD NOT TESTED: prometheus is missing; on Debian, run apt-get install prometheus")
        checks.that(not required, "prometheus is available to test the dashboard")
        return
    with tempfile.TemporaryDirectory(prefix="dashboard-") as scratch:
        check_queries(checks, dashboard, credvend, local_sts, Path(scratch))


def panels(dashboard):
    """Returns the panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard):
    """Returns pairs of a name and a target of all panels."""
    return [(f"{panel['title']} {target['refId']}", target) for panel in panels(dashboard) for target in panel["targets"]]


def check_layout(checks, dashboard):
    everything = dashboard["panels"]
    ids = [panel["id"] for panel in everything]
    checks.that(len(set(ids)) == len(ids), f"the {len(ids)} panels of the dashboard have different ids", str(sorted(ids)))
    titles = [panel["title"] for panel in everything]
    checks.that(len(set(titles)) == len(titles), "the panels have different titles", str(titles))
    places = {panel["title"]: cells(panel["gridPos"]) for panel in everything}
    outside = [title for title, place in places.items() if not place or any(not 0 <= x < COLUMNS for x, _ in place)]
    checks.that(not outside, f"the panels lie within {COLUMNS} columns", ", ".join(outside))
    overlapping = [f"{one} and {other}" for one, other in itertools.combinations(places, 2) if places[one] & places[other]]
    checks.that(not overlapping, "the panels do not overlap", ", ".join(overlapping))
    without = [
        panel["title"] for panel in panels(dashboard)
        if not panel["fieldConfig"]["defaults"].get("unit") or not panel.get("description") or not panel["targets"]
    ]
    checks.that(not without, "each panel has a unit, a description and queries", ", ".join(without))
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    checks.that(list(variables) == ["datasource", "namespace", "pod"], "the variables are datasource, namespace and pod", str(list(variables)))
    source = {"type": "prometheus", "uid": "${datasource}"}
    users = [*panels(dashboard), *(target for _, target in queries(dashboard)), variables["namespace"], variables["pod"]]
    checks.that(all(user["datasource"] == source for user in users), "panels, queries and variables use the data source variable")
    unselected = [name for name, target in queries(dashboard) if target["expr"].count(SELECTOR) != len(promql.metrics(target["expr"]))]
    checks.that(not unselected, "each metric in a query is limited to the namespaces and pods that are selected", ", ".join(unselected))


def cells(place):
    """Returns the cells of the grid that a panel covers."""
    columns, rows = (range(place[at], place[at] + place[size]) for at, size in (("x", "w"), ("y", "h")))
    return set(itertools.product(columns, rows))


def substituted(expression, variables=None):
    """Returns the expression with the values of Grafana's variables."""
    for name, value in (variables or VARIABLES).items():
        expression = expression.replace(name, value)
    return expression


def check_queries(checks, dashboard, credvend, local_sts, scratch):
    with prometheus.Prometheus(scratch / "prometheus") as server:
        text, when = recorded(credvend, local_sts, scratch, server, lambda: not failures(dashboard, server))
        known = alerts.sample_labels(text_string_to_metric_families(text)) | prometheus.KUBE_STATE_METRICS
        wrong = failures(dashboard, server, when) + unknown_names(dashboard, known)
        checks.that(not wrong, f"the {len(queries(dashboard))} queries of the dashboard find metrics of the binary", "; ".join(wrong))
        for what, break_it in MUTATIONS.items():
            broken = break_it(json.loads(json.dumps(dashboard)))
            checks.that(failures(broken, server, when) + unknown_names(broken, known), f"the dashboard's test notices {what}")


def failures(dashboard, server, when=None):
    """Returns why queries are no use: they are invalid, find nothing, or lack a label that their legend shows."""
    found = []
    for name, target in queries(dashboard):
        try:
            series = server.query(substituted(target["expr"]), when)
        except ValueError as error:
            found.append(f"{name}: {error}")
            continue
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        missing = shown - set.intersection(*(set(labels) for labels, _ in series)) if series else set()
        if not series:
            found.append(f"{name}: no series for {target['expr']}")
        elif missing:
            found.append(f"{name}: no label {', '.join(sorted(missing))}")
    return found


def unknown_names(dashboard, known):
    """Returns the metrics and labels that do not exist, among them those that a query survives, such as in `or vector(0)`."""
    found = [(name, target["expr"], []) for name, target in queries(dashboard)]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["definition"]).groups()
            found.append((f"variable {variable['name']}", selector, [label]))
    return [f"{name}: {what}" for name, expression, more in found for what in promql.unknown(expression, known, more)]


def mutation(old, new):
    """Returns a function that replaces `old` in the queries of a dashboard."""

    def mutate(dashboard):
        text = json.dumps(dashboard)
        assert old in text, old
        return json.loads(text.replace(old, new))

    return mutate


MUTATIONS = {
    "a query with an unknown metric": mutation("credvend_token_expiry_timestamp_seconds", "credvend_token_end_timestamp_seconds"),
    "an unknown metric where the query has a default": mutation("count(credvend_profile_ready{", "count(credvend_profile_is_ready{"),
    "an unknown label in a grouping": mutation("sum by (hop, result)", "sum by (hop, outcome)"),
    "an unknown label in a matcher": mutation('result!=\\"ok\\"', 'outcome!=\\"ok\\"'),
    "an unknown label in a legend": mutation("{{listener}}", "{{port}}"),
    "an invalid expression": mutation("sum by (status) (rate(", "sum by (status) rate("),
    "a variable of an unknown metric": mutation("label_values(credvend_build_info, namespace)", "label_values(credvend_info, namespace)"),
}


def recorded(credvend, local_sts, scratch, server, is_complete):
    """Runs credvend until `is_complete`, with successes and failures of every kind. Returns its metrics in OpenMetrics, and their time."""
    home = scratch / "sts"
    local = sts.serve(local_sts, home)
    admin, endpoint = commands.free_addresses()
    folder = scratch / "aws"
    folder.mkdir()
    variables = {
        **sts.variables(home),
        "CREDVEND_CHAIN_ROLE_ARNS": sts.CHAINED_ROLE,
        "CREDVEND_LISTEN": endpoint,
        "CREDVEND_ADMIN_LISTEN": admin,
        "CREDVEND_CREDENTIALS_FILE": str(folder / "credentials"),
        "CREDVEND_ON_WRITE": "/bin/true",
    }
    sidecar = subprocess.Popen([credvend, "run"], env=variables, stderr=subprocess.DEVNULL)
    try:
        sts.wait_until_ready(credvend, variables)
        server.scrape(admin)
        deadline = time.monotonic() + 60
        while not is_complete() and time.monotonic() < deadline:
            # Each round has requests, a refused exchange, a renewal, and a file that cannot be written.
            sts.fault(home, "throttle")
            shutil.rmtree(folder, ignore_errors=True)
            sidecar.send_signal(signal.SIGHUP)
            for path in ("/v1/credentials", "/v1/credentials/absent"):
                try:
                    urllib.request.urlopen(f"http://{endpoint}{path}", timeout=5).close()
                except urllib.error.HTTPError as error:
                    error.close()
            time.sleep(1)
            folder.mkdir(exist_ok=True)
            time.sleep(2)
        with urllib.request.urlopen(f"http://{admin}/metrics", timeout=5) as answer:
            return answer.read().decode(), time.time()
    finally:
        sts.stop(sidecar, local)
