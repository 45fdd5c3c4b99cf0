"""Pods without IPv4 addresses, and an STS at the IPv6 address of the node, under the name of AWS' dual-stack endpoint."""

import contextlib
import subprocess
import sys
from pathlib import Path

from stage import keys
from stage.cluster import STS_PORT
from stage.daemons import Daemon
from stage.namespaces import IPV6_NODE_ADDRESS
from stage.waiting import wait_until

HERE = Path(__file__).resolve().parent.parent
STS_HOST = "sts.eu-central-1.api.aws"
LABELS = {"app.kubernetes.io/name": "checkout-ipv6"}


@contextlib.contextmanager
def network(cluster):
    directory = cluster.state / "keys"
    key, certificate = directory / "sts.key", directory / "sts.crt"
    # Port 443, as that of AWS.
    server = Daemon(cluster.state, "sts-ipv6", [
        sys.executable, "-B", HERE / "programs/tls_server.py", IPV6_NODE_ADDRESS, certificate, key, STS_PORT,
    ])
    if server.pid() is None:
        keys.issue(directory, "sts", "/CN=sts", f"subjectAltName=DNS:{STS_HOST}\nextendedKeyUsage=serverAuth\n")
        # The CNI plug-in would create the bridge for the first pod.
        run("link", "add", "cni6", "type", "bridge")
        run("-6", "address", "add", f"{IPV6_NODE_ADDRESS}/64", "dev", "cni6", "nodad")
        run("link", "set", "cni6", "up")
        server.start()
        wait_until("the STS listens at its IPv6 address", 30, lambda: "listening" in server.tail())
    cluster.kubectl("apply", "--filename", HERE / "ipv6.yaml")
    cluster.wait_for_policy({"metadata": {"labels": LABELS}, "spec": story_like()}, STS_HOST)
    yield


def story_like():
    """Returns the specification of a pod with the lists that the policy extends."""
    volume = {"name": "any", "emptyDir": {}}
    container = {
        "name": "application", "image": "registry.example/application:1.0.0", "env": [{"name": "ANY", "value": ""}],
        "volumeMounts": [{"name": "any", "mountPath": "/any"}],
    }
    return {"containers": [container], "volumes": [volume]}


def run(*words):
    subprocess.run(["ip", *words], check=True)
