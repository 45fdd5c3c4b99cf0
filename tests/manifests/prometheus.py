"""Runs a Prometheus server that scrapes credvend as the pod shop/checkout-1, and a stand-in for kube-state-metrics."""

import contextlib
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import commands

NAMESPACE, POD = "shop", "checkout-1"

# The metrics of kube-state-metrics that the dashboard and the alerts use, with its labels.
# https://github.com/kubernetes/kube-state-metrics/blob/main/docs/metrics/workload/pod-metrics.md
KUBE_STATE_METRICS = {
    name: {"namespace", "pod", "uid", "container"} | extra
    for name, extra in {
        "kube_pod_init_container_status_restarts_total": set(),
        "kube_pod_container_status_restarts_total": set(),
        "kube_pod_init_container_status_waiting_reason": {"reason"},
        "kube_pod_container_status_waiting_reason": {"reason"},
    }.items()
}


def program(name):
    """Returns the path of promtool or prometheus, or None. The package of one contains the other."""
    promtool = shutil.which(os.environ.get("PROMTOOL") or "promtool")
    return shutil.which(name) or (promtool and shutil.which(str(Path(promtool).resolve().parent / name)))


class Prometheus:
    """A server in `home`. Use it as a context manager."""

    def __init__(self, home, interval="1s"):
        self._home = home
        self._interval = interval
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self._home.mkdir()
        self._stack.__enter__()
        self.address = commands.free_addresses()[0]
        self._start(self._serve_kube_state_metrics())
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def scrape(self, address):
        """Scrapes the metrics of a credvend at `address` from now on."""
        (self._home / "targets.json").write_text(json.dumps([{"targets": [address]}]))

    def query(self, expression, when=None):
        """Returns the series of an instant query: pairs of labels and a value. Raises ValueError if the expression is invalid."""
        arguments = {"query": expression} | ({"time": when} if when else {})
        return [(series["metric"], float(series["value"][1])) for series in self._get("query", arguments)]

    def query_range(self, expression, start, end, step):
        """Returns the series of a range query: pairs of labels and a list of (time, value)."""
        found = self._get("query_range", {"query": expression, "start": start, "end": end, "step": step})
        return [(series["metric"], [(time, float(value)) for time, value in series["values"]]) for series in found]

    def _get(self, path, arguments):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            raise ValueError(json.load(error)["error"]) from None

    def _start(self, kube_state_metrics):
        labels = [
            {"target_label": "namespace", "replacement": NAMESPACE},
            {"target_label": "pod", "replacement": POD},
            # The address of a pod stays the same while its containers restart.
            {"target_label": "instance", "replacement": "10.0.0.1:9912"},
        ]
        files = {"files": [str(self._home / "targets.json")], "refresh_interval": "1s"}
        # JSON is YAML.
        (self._home / "prometheus.yaml").write_text(json.dumps({
            "global": {"scrape_interval": self._interval, "scrape_timeout": "1s"},
            "scrape_configs": [
                {"job_name": "pods", "file_sd_configs": [files], "relabel_configs": labels},
                {"job_name": "kube-state-metrics", "honor_labels": True, "static_configs": [{"targets": [kube_state_metrics]}]},
            ],
        }))
        with (self._home / "log").open("w") as log:
            server = subprocess.Popen(
                [
                    program("prometheus"), f"--config.file={self._home / 'prometheus.yaml'}",
                    f"--storage.tsdb.path={self._home / 'data'}", f"--web.listen-address={self.address}",
                ],
                stdout=log, stderr=log,
            )
        self._stack.callback(server.wait)
        self._stack.callback(server.terminate)
        deadline = time.monotonic() + 30
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5).close()
                return
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("Prometheus did not start: " + (self._home / "log").read_text()[-2000:])
            time.sleep(0.05)

    def _serve_kube_state_metrics(self):
        """Serves the metrics of a pod that never restarted, and returns the address."""
        values = {"namespace": NAMESPACE, "pod": POD, "uid": "1", "container": "credvend", "reason": "CrashLoopBackOff"}
        lines = []
        for name, labels in KUBE_STATE_METRICS.items():
            pairs = ",".join(f'{label}="{values[label]}"' for label in sorted(labels))
            lines.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}\n{name}{{{pairs}}} 0\n")
        body = "".join(lines).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._stack.callback(server.server_close)
        self._stack.callback(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"127.0.0.1:{server.server_port}"
