"""credvend in a network namespace without any IPv4 address, not even 127.0.0.1. The scenario `stories/ipv6` runs the story."""

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "programs/without_ipv4.py"
ONLY_IPV6 = 'ip link set lo up && ip -4 address flush dev lo && exec "$@"'


def run(cluster, check):
    words = [sys.executable, "-B", PROGRAM, cluster.credvend, cluster.state / "local-sts", cluster.directory("without-ipv4")]
    command = ["unshare", "--net", "sh", "-c", ONLY_IPV6, "sh", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    check.that("credvend runs without IPv4 addresses", done.returncode == 0, done.stderr[-2000:])
    results = json.loads(done.stdout)
    default = results["default address"]
    check.equal("exit code of `run` on its default address", default["exit code"], 6)
    check.that("the message names [::1]", "this machine has no IPv4 address: listen on [::1]" in default["output"], default["output"])
    check.that("`exec` gives its program an endpoint on [::1]", "AWS_CONTAINER_CREDENTIALS_FULL_URI=http://[::1]:" in results["exec"], results)
    check.that("`status` finds the endpoint on [::1]", "ready" in results["status"], results["status"])
    check.that("`check` reaches STS", "ok    hop 1" in results["check"] and "fail  " not in results["check"], results["check"])
    check.that("`process` reads from the endpoint on [::1]", results["process"])
    check.that("the endpoint on [::1] serves credentials", results["credentials"])
    check.that("the port for metrics is open on IPv6", results["metrics"])
