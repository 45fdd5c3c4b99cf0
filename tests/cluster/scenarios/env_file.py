"""Variables from an env file (fileKeyRef), as the kubelet reads them: what it accepts, and what it says about other files."""

import copy

import rendered
import yaml
from stage.story import NAMESPACE, apply_namespace, identities
from stage.waiting import wait_until
from support.checks import CheckFailed
from support.roles import ROLE_B

STORY = rendered.K8S / "init-env-file" / "init-env-file.yaml"
INDEPENDENT = True


def run(cluster, check):
    apply_namespace(cluster)
    names = {"dotenv": "dotenv", "docker": "docker", "missing-key": "dotenv"}
    for name, format in names.items():
        cluster.kubectl("create", "--namespace", NAMESPACE, "--filename", "-", document=pod(name, format))
    try:
        wait_until("the container of dotenv has ended", 90, lambda: phase(cluster, "dotenv") in ("Succeeded", "Failed"))
        log = cluster.container_log("dotenv", "application")
        check.equal("role of the application with the variables of the file", identities(log), [ROLE_B])
        mounts = [mount["name"] for mount in cluster.get("pod", "dotenv", "-n", NAMESPACE)["spec"]["containers"][0].get("volumeMounts", [])]
        check.that("the application mounts neither the token nor the file", not {"env", "credvend-token"} & set(mounts), mounts)
        for name, expected in [("docker", "couldn't parse env file"), ("missing-key", "NO_SUCH_VARIABLE")]:
            message = wait_until(f"the kubelet refuses {name}", 90, lambda: waiting_message(cluster, name))
            check.that(f"{name}: the kubelet says: {message}", expected in message, message)
    finally:
        cluster.kubectl("delete", "pod", *names, "--namespace", NAMESPACE, "--ignore-not-found", "--grace-period=1")


def pod(name, format):
    job = next(document for document in yaml.safe_load_all(STORY.read_text()) if document["kind"] == "Job")
    spec = copy.deepcopy(job["spec"]["template"]["spec"])
    arguments = spec["initContainers"][0]["args"]
    arguments[arguments.index("dotenv")] = format
    if name == "missing-key":
        reference = {"volumeName": "env", "path": "aws.env", "key": "NO_SUCH_VARIABLE"}
        spec["containers"][0]["env"].append({"name": "OTHER", "valueFrom": {"fileKeyRef": reference}})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def phase(cluster, name):
    status = cluster.get("pod", name, "--namespace", NAMESPACE)["status"]
    failed = [state for entry in status.get("initContainerStatuses", []) if (state := entry["state"].get("terminated")) and state["exitCode"]]
    if failed:
        raise CheckFailed(f"credvend failed: {cluster.container_log(name, 'credvend')}")
    return status["phase"]


def waiting_message(cluster, name):
    statuses = cluster.get("pod", name, "--namespace", NAMESPACE)["status"].get("containerStatuses", [])
    waiting = [status["state"].get("waiting", {}) for status in statuses]
    return next((state.get("message") for state in waiting if state.get("reason") == "CreateContainerConfigError"), None)
