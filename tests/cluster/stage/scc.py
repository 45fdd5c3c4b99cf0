"""OpenShift's restricted-v2: an imitation of its security context constraint, for one namespace at a time."""

import contextlib
from pathlib import Path

from stage.waiting import wait_until

HERE = Path(__file__).resolve().parent.parent
LABEL = "cluster.test/scc"
REFUSED = "unable to validate against any security context constraint"
# The first user and group of the namespace's block, which OpenShift assigns to all pods of the namespace.
USER, GROUP = 1000740000, 1000750000
ANNOTATIONS = {
    "openshift.io/sa.scc.uid-range": f"{USER}/10000", "openshift.io/sa.scc.supplemental-groups": f"{GROUP}/10000",
}


@contextlib.contextmanager
def constrained(cluster, namespace):
    """A context: the constraint applies to new pods of the namespace."""
    cluster.kubectl("apply", "--filename", HERE / "scc.yaml")
    cluster.kubectl("annotate", "namespace", namespace, "--overwrite", *(f"{key}={value}" for key, value in ANNOTATIONS.items()))
    cluster.kubectl("label", "namespace", namespace, "--overwrite", f"{LABEL}=restricted-v2")
    try:
        cluster.wait_for_policy({"metadata": {}}, f'"runAsUser": {USER}', namespace)
        # Mutations and validations are read one after the other.
        cluster.wait_for_policy({"metadata": {}, "spec": foreign_user()}, REFUSED, namespace)
        yield
    finally:
        cluster.kubectl("label", "namespace", namespace, f"{LABEL}-")
        free = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dry-run"}, "spec": foreign_user()}
        wait_until("the constraint no longer applies", 30, lambda: REFUSED not in cluster.dry_run(free, namespace))


def users_of(pod):
    """Returns the user of each container, and whether it is in the group of the namespace."""
    statuses = [*pod["status"].get("initContainerStatuses", []), *pod["status"]["containerStatuses"]]
    users = {status["name"]: status["user"]["linux"] for status in statuses}
    return {name: (user["uid"], GROUP in user["supplementalGroups"]) for name, user in users.items()}


def foreign_user():
    """Returns the specification of a pod that the constraint refuses."""
    container = {
        "name": "application", "image": "registry.example/application:1.0.0",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "runAsUser": 1000},
    }
    return {"securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, "containers": [container]}
