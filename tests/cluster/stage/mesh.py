"""A mesh as Istio's: a proxy in each pod with its label, and connections that are redirected to it before any container starts."""

import contextlib
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
PROXY = "istio-proxy"
LABELS = {"sidecar.istio.io/inject": "true"}


@contextlib.contextmanager
def installed(cluster):
    cluster.kubectl("apply", "--filename", HERE / "mesh.yaml")
    cluster.wait_for_policy({"metadata": {"labels": LABELS}, "spec": with_init_container()}, PROXY)
    yield


def with_init_container():
    """Returns the specification of a pod that has an init container already, as all pods with credvend."""
    container = {"name": "application", "image": "registry.example/application:1.0.0"}
    return {"containers": [container], "initContainers": [{**container, "name": "first"}]}
