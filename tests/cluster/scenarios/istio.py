"""A mesh whose proxy is an ordinary container: STS cannot be reached until the proxy runs, and the settings in k8s/istio help.

The proxy and the redirection are imitations: the suite does not run Istio. The scenario `stories/istio` runs the story, with a native proxy.
"""

import copy

from stage import mesh
from stage.cluster import STS_PORT
from stage.namespaces import NODE_ADDRESS
from stage.story import NAMESPACE, Story, apply_namespace
from stage.waiting import wait_until

ORDINARY = {"sidecar.istio.io/nativeSidecar": "false"}
# The port of STS in this suite; that of AWS is 443.
EXCLUDED = {**ORDINARY, "traffic.sidecar.istio.io/excludeOutboundPorts": str(STS_PORT)}


def run(cluster, check):
    apply_namespace(cluster)
    (workload,) = Story(cluster, "istio").workloads
    as_proxy = copy.deepcopy(workload.spec)
    as_proxy["initContainers"][0]["securityContext"]["runAsUser"] = 1337
    pods = {
        "waits": pod("waits", ORDINARY, workload.spec),
        "port-excluded": pod("port-excluded", EXCLUDED, workload.spec),
        "user-excluded": pod("user-excluded", ORDINARY, as_proxy),
    }
    with mesh.installed(cluster):
        try:
            for document in pods.values():
                cluster.kubectl("create", "--namespace", NAMESPACE, "--filename", "-", document=document)
            check_waiting(cluster, check)
            for name in ("port-excluded", "user-excluded"):
                check_start(cluster, check, name)
        finally:
            cluster.kubectl("delete", "pod", *pods, "--namespace", NAMESPACE, "--ignore-not-found", "--grace-period=1")


def pod(name, annotations, spec):
    metadata = {"name": name, "labels": mesh.LABELS, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def check_waiting(cluster, check):
    wait_until("credvend does not reach STS", 90, lambda: "was not reached: cannot connect" in cluster.container_log("waits", "credvend"))
    status = cluster.get("pod", "waits", "--namespace", NAMESPACE)["status"]
    check.equal("phase of the pod", status["phase"], "Pending")
    proxy = next(status for status in status["containerStatuses"] if status["name"] == mesh.PROXY)
    check.that("the proxy waits for credvend", proxy["state"].get("waiting", {}).get("reason") == "PodInitializing", proxy)


def check_start(cluster, check, name):
    def ready():
        status = cluster.get("pod", name, "--namespace", NAMESPACE)["status"]
        statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
        return len(statuses) == 3 and all(status.get("started") for status in statuses)
    wait_until(f"all containers of {name} have started", 90, ready)
    log = cluster.container_log(name, "credvend")
    check.that(f"{name}: credvend has credentials before the proxy runs", "credentials obtained" in log, log)
    # Only one of the two settings applies to the other containers too.
    goes_through_proxy = name == "user-excluded"
    log = proxy_log_after_call(cluster, name)
    check.that(f"{name}: connections of the application {'go' if goes_through_proxy else 'do not go'} through the proxy",
               (f"connection to {NODE_ADDRESS}:{STS_PORT}" in log) == goes_through_proxy, log)


def proxy_log_after_call(cluster, name):
    """Waits until the application has called STS, with the credentials from the endpoint. Returns the log of the proxy."""
    wait_until(f"the application of {name} has called STS", 90, lambda: cluster.container_log(name, "application"))
    return cluster.container_log(name, mesh.PROXY)
