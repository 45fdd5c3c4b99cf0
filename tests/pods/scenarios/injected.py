"""Pods after the admission policy, from the expected results in tests/admission: they have the role in the annotation."""

import rendered
from pod.application import identity

DIRECTORY = rendered.ROOT / "tests/admission/pods"
ROLE = "arn:aws:iam::111111111111:role/checkout"
# The cases that differ in users, groups, volumes or order. In the other cases, the policy refuses or does not change a pod.
CASES = ["plain", "irsa", "root", "other-user", "job", "volumes-and-init-containers", "guaranteed", "admin-port"]


def run(cluster, check):
    for case in CASES:
        (document,) = rendered.documents(DIRECTORY / case / "after.yaml")
        with cluster.manifest_pod(f"injected-{case}", document["spec"]) as pod:
            pod.start()
            for container in rendered.containers_of(pod.spec):
                if not rendered.is_credvend(container):
                    found = identity(pod.started[container["name"]])
                    check.equal(f"{case}: role of {container['name']}", found, ROLE)
            credvend = pod.started["credvend"]
            check.that(f"{case}: credvend runs as user {credvend.user}", credvend.user != 0)
            for port in pod.spec["initContainers"][0].get("ports", []):
                url = f"http://{pod.address}:{port['containerPort']}/metrics"
                metrics = cluster.moto.run_in_network("sh", "-c", f"curl --silent --max-time 2 {url} || true")
                check.that(f"{case}: metrics are available at the pod's address", "credvend_profile_ready{" in metrics, metrics)
            pod.stop()
            check.equal(f"{case}: exit code of credvend", credvend.wait(), 0)
