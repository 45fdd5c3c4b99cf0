"""OpenShift's restricted-v2, imitated by admission policies: which pods it accepts, and the users and groups that they have.

The scenario `stories/openshift` runs the story itself in the same way. Neither is a run on OpenShift.
"""

from stage import scc
from stage.injection import METADATA, ROLE, Injection
from stage.story import Story, apply_namespace, wait_for_identity


def run(cluster, check):
    check_stories(cluster, check)
    check_injection(cluster, check)


def check_stories(cluster, check):
    """The story sets no user and no group; the constraint refuses the group of another story."""
    apply_namespace(cluster)
    with scc.constrained(cluster, "shop"):
        for name, is_accepted in [("openshift", True), ("sidecar", False)]:
            (workload,) = Story(cluster, name).workloads
            answer = cluster.dry_run(pod_of(workload), "shop")
            check.that(f"a pod of {name} is {'accepted' if is_accepted else 'refused'}", (scc.REFUSED not in answer) == is_accepted, answer)
        check.that("the refusal names the group", "65532 is not an allowed group" in answer, answer)


def pod_of(workload):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "dry-run"}, "spec": workload.spec}


def check_injection(cluster, check):
    """Injection sets a group, which restricted-v2 does not restrict, and no user."""
    with Injection(cluster, {"pod-security.kubernetes.io/enforce": "restricted"}) as injection:
        with scc.constrained(cluster, injection.namespace):
            cluster.kubectl("create", "--namespace", injection.namespace, "--filename", "-", document=injected())
            found = wait_for_identity(cluster, "injected", "application", injection.namespace)
            check.equal("role of the application in an injected pod", found, ROLE)
            pod = cluster.get("pod", "injected", "--namespace", injection.namespace)
            users = scc.users_of(pod)
            check.equal("users, and membership in the namespace's group", users, dict.fromkeys(users, (scc.USER, True)))


def injected():
    container = {"name": "application", "image": "registry.example/application:1.0.0"}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "injected", **METADATA}, "spec": {"containers": [container]},
    }
