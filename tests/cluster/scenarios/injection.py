"""Injection by the API server, with k8s/admission as it stands: pods with label and annotation have the role of the annotation."""

import rendered
import yaml
from stage.injection import ANNOTATION, LABEL, ROLE, Injection
from stage.story import wait_for_identity

DIRECTORY = rendered.ROOT / "tests/admission/pods"
NAMESPACE = "shop"
# The rows of tests/admission that differ in users, groups, volumes or order.
ROWS = ["plain", "root", "other-user", "job", "volumes-and-init-containers", "guaranteed", "admin-port"]
INDEPENDENT = True


def run(cluster, check):
    with Injection(cluster) as injection:
        created = [create(cluster, injection.namespace, row) for row in ROWS]
        for pod in created:
            name = pod["metadata"]["name"]
            for container in rendered.containers_of(pod["spec"]):
                if not rendered.is_credvend(container):
                    found = wait_for_identity(cluster, name, container["name"], injection.namespace)
                    check.equal(f"{name}: role of {container['name']}", found, ROLE)
            status = cluster.get("pod", name, "--namespace", injection.namespace)["status"]
            sidecar = next(status for status in status["initContainerStatuses"] if status["name"] == "credvend")
            user = sidecar["user"]["linux"]["uid"]
            check.that(f"{name}: credvend runs as user {user}", user != 0)

        workload = cluster.dry_run(deployment(), injection.namespace)
        check.that("a Deployment itself does not change", "credvend-token" not in workload)
        plain = cluster.dry_run(row_pod("plain", labels={}), injection.namespace)
        check.that("a pod without the label does not change", "credvend-token" not in plain)
        refused = cluster.dry_run(row_pod("plain", annotations={ANNOTATION: "role/checkout"}), injection.namespace)
        check.that("an invalid role is refused, and the message says why", '"role/checkout" is not an IAM role ARN' in refused, refused)
        warned = cluster.kubectl_result(
            "create", "--namespace", injection.namespace, "--dry-run=server", "--filename", "-",
            document=row_pod("plain", annotations={}),
        )
        check.that("kubectl prints the warning of a label without annotation",
                   f"label {LABEL} has no effect without the annotation" in warned.stderr, warned.stderr)


def row_pod(row, **metadata):
    document = yaml.safe_load((DIRECTORY / row / "before.yaml").read_text())
    document["metadata"].pop("namespace", None)
    # The API server accepts only owners that exist; a Job's own pod is in the scenario `jobs`.
    document["metadata"].pop("ownerReferences", None)
    document["metadata"].update(metadata)
    return document


def create(cluster, namespace, row):
    cluster.kubectl("create", "--namespace", namespace, "--filename", "-", document=row_pod(row))
    return cluster.get("pod", row, "--namespace", namespace)


def deployment():
    pod = row_pod("plain")
    labels = {"app": "checkout", **pod["metadata"]["labels"]}
    template = {"metadata": {"labels": labels, "annotations": pod["metadata"]["annotations"]}, "spec": pod["spec"]}
    return {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"},
        "spec": {"selector": {"matchLabels": {"app": "checkout"}}, "template": template},
    }
