"""Pods as the admission policy makes them, by what it makes of them in tests/admission: each works as the annotated role."""

import rendered
from pod.application import identity

TABLE = rendered.ROOT / "tests/admission/pods"
ROLE = "arn:aws:iam::111111111111:role/checkout"
# Those that tell something of users, groups, volumes and order; the policy's other rows refuse, or leave alone.
ROWS = ["plain", "irsa", "root", "other-user", "job", "volumes-and-init-containers", "guaranteed", "watched"]


def run(cluster, check):
    for row in ROWS:
        (document,) = rendered.documents(TABLE / row / "after.yaml")
        with cluster.manifest_pod(f"injected-{row}", document["spec"]) as pod:
            pod.start()
            for container in rendered.containers_of(pod.spec):
                if not rendered.is_credvend(container):
                    found = identity(pod.started[container["name"]])
                    check.equal(f"{row}: {container['name']} works as the annotated role", found, ROLE)
            credvend = pod.started["credvend"]
            check.that(f"{row}: credvend runs as user {credvend.user}", credvend.user != 0)
            for port in pod.spec["initContainers"][0].get("ports", []):
                url = f"http://{pod.address}:{port['containerPort']}/metrics"
                metrics = cluster.moto.in_network("sh", "-c", f"curl --silent --max-time 2 {url} || true")
                check.that(f"{row}: Prometheus finds metrics at the pod's address", "credvend_profile_ready{" in metrics, metrics)
            pod.stop()
            check.equal(f"{row}: credvend ends with 0", credvend.end(), 0)
