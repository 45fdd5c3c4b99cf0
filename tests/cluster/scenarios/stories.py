"""Every folder of k8s/ as it stands: its application has the promised role, with a token that the API server signed."""

import contextlib
import functools
import os
import signal
import threading
import urllib.error
import urllib.request

import boto3
import rendered
from stage import ipv6, mesh, pod_identity, scc
from stage.cluster import S3_URL, STS_PORT
from stage.namespaces import NODE_ADDRESS
from stage.story import OpenLogs, Story, identities, manifest_comments, wait_for_identity
from stage.waiting import wait_until
from support.checks import CheckFailed
from support.roles import ROLE_A, ROLE_B

# The role of each application container, if it is not role B; None if the container has no credentials.
EXPECTED = {
    ("several-roles", "orders"): ROLE_A,
    ("beside-pod-identity", "orders"): pod_identity.ROLE,
    ("component-examples-daemonset", "application"): ROLE_A,
    # kustomize cannot add variables to init containers that only some workloads have.
    ("component-examples-deployment", "migrate"): None,
}
# What a story needs of the cluster: a context for each.
PLATFORMS = {
    "beside-pod-identity": pod_identity.installed,
    "ipv6": ipv6.network,
    "istio": mesh.installed,
    "openshift": functools.partial(scc.constrained, namespace="shop"),
}
# Several stories copy between the same buckets.
BUCKETS = threading.Lock()
# Runs in an application container. Prints the status of each path without a token and with each token.
REQUESTS = """
import sys, urllib.error, urllib.request
paths, files = sys.argv[1].split(","), sys.argv[2].split(",")
def status(path, token):
    request = urllib.request.Request(f"http://127.0.0.1:9911{path}", headers={"Authorization": token} if token else {})
    try:
        return urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        print(error.read().decode(), file=sys.stderr)
        return error.code
for path in paths:
    print(path, *(status(path, token) for token in ["", *files]))
"""


def parts():
    return [name for name in rendered.folders() if name != "namespace"]


def is_independent(name):
    return name not in PLATFORMS


def run(cluster, check, name):
    platform = PLATFORMS.get(name)
    with contextlib.ExitStack() as stack:
        if platform:
            cluster.kubectl("apply", "--kustomize", rendered.K8S / "namespace")
            stack.enter_context(platform(cluster))
        story = Story(cluster, name)
        if any("/aws-cli:" in container["image"] for workload in story.workloads for container in workload.spec["containers"]):
            stack.enter_context(BUCKETS)
            create_buckets()
        stack.enter_context(story)
        story.wait()
        check.that("applied; servers are ready and Jobs are complete", story.workloads)
        for workload in story.workloads:
            check_workload(cluster, check, story, workload)


def create_buckets():
    """Creates an object to copy in the first bucket, and removes it from the second."""
    s3 = boto3.client("s3", endpoint_url=S3_URL, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any")
    for bucket in ("example-input", "example-output"):
        s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket="example-input", Key="order", Body=b"1")
    s3.delete_object(Bucket="example-output", Key="order")


def check_workload(cluster, check, story, workload):
    pods = workload.pods()
    for pod in pods:
        for container in rendered.containers_of(pod["spec"]):
            if not rendered.is_credvend(container) and container["name"] != mesh.PROXY:
                check_application(cluster, check, story, pod, container)
        statuses = pod["status"].get("initContainerStatuses", []) + pod["status"]["containerStatuses"]
        check.equal("restarts of all containers", [status["restartCount"] for status in statuses], [0] * len(statuses))
        check_platform(cluster, check, story, pod)
    # The replicas are equal.
    pod = pods[0]
    credvends = [container for container in rendered.containers_of(pod["spec"]) if rendered.is_credvend(container)]
    if workload.is_server:
        for credvend in credvends:
            if "run" in credvend.get("args", []):
                check_access_from_outside(check, pod, credvend)
                check_command(cluster, check, story, pod, credvend)
        check_authorization(cluster, check, pod)
        check_reload(cluster, check, pod)
        check_role_until_exit(cluster, check, story, workload, pod)


def check_platform(cluster, check, story, pod):
    if story.name == "openshift":
        users = scc.users_of(pod)
        check.equal("users, and membership in the namespace's group", users, dict.fromkeys(users, (scc.USER, True)))
    if story.name == "ipv6":
        check.that("the pod has no IPv4 address", all(":" in entry["ip"] for entry in pod["status"]["podIPs"]), pod["status"])
    if story.name == "istio":
        log = cluster.container_log(pod["metadata"]["name"], mesh.PROXY)
        check.that("connections to STS go through the proxy", f"connection to {NODE_ADDRESS}:{STS_PORT}" in log, log)


def check_application(cluster, check, story, pod, container):
    name, pod_name = container["name"], pod["metadata"]["name"]
    if "/aws-cli:" in container["image"]:
        log = cluster.container_log(pod_name, name)
        check.that(f"{name} copies between buckets", "copy: s3://example-input/order" in log, log)
        return
    role = EXPECTED.get((story.name, name), ROLE_B)
    found = wait_for_identity(cluster, pod_name, name)
    check.that(f"{name} has {role or 'no role'}", found == role, f"{found}: {cluster.container_log(pod_name, name)[-800:]}")


def check_access_from_outside(check, pod, credvend):
    """Others can read metrics if the manifest has a port for them, and never credentials."""
    address = pod["status"]["podIP"]
    if any(port["containerPort"] == 9912 for port in credvend.get("ports", [])):
        check.that("metrics are available at the pod's address", "credvend_profile_ready{" in fetch(address, 9912, "/metrics"))
        check.that("the metrics port does not serve credentials", "SecretAccessKey" not in fetch(address, 9912, "/v1/credentials"))
    check.equal("response of the endpoint at the pod's address", fetch(address, 9911, "/v1/credentials"), "")


def fetch(address, port, path):
    """Returns the body of a response; empty without a response."""
    host = f"[{address}]" if ":" in address else address
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=5) as response:
            return response.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""


def check_command(cluster, check, story, pod, credvend):
    """Runs `credvend check` in the container, with the arguments of `run`, as a comment in the manifest shows."""
    options = credvend["args"][1:]
    command = ["/credvend", "check", *options]
    if options:
        check.that(f"a comment contains `{' '.join(command)}`", " ".join(command) in manifest_comments(story.folder))
    output = cluster.exec(pod["metadata"]["name"], credvend["name"], *command)
    check.that("`check` in the container succeeds", "ok    hop" in output and "fail  " not in output, output)


def check_authorization(cluster, check, pod):
    """A container's credentials are available only with its own authorization token."""
    tokens = {}
    for container in pod["spec"]["containers"]:
        variables = {entry["name"]: entry.get("value", "") for entry in container.get("env", [])}
        address, _, path = variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "").partition(":9911")
        file = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        if address == "http://127.0.0.1" and file:
            tokens[path] = cluster.exec(pod["metadata"]["name"], container["name"], "cat", file)
            asking = container["name"]
    if not tokens:
        return
    for token in tokens.values():
        cluster.secrets.add("authorization token", token)
    result = cluster.kubectl_result(
        "exec", "--namespace", "shop", pod["metadata"]["name"], "--container", asking, "--",
        "python3", "-c", REQUESTS, ",".join(tokens), ",".join(tokens.values()),
    )
    check.that("refusals say: the authorization token is missing or wrong",
               "the authorization token is missing or wrong" in result.stderr, result.stderr)
    for line in result.stdout.splitlines():
        path, without, *with_tokens = line.split()
        check.equal(f"status of {path} without a token", without, "401")
        expected = ["200" if other == path else "401" for other in tokens]
        check.equal(f"status of {path} with the token of each container", with_tokens, expected)


def check_reload(cluster, check, pod):
    """An application that credvend signals reads its credentials again after a renewal, here one that SIGHUP requests."""
    signalled = [container["name"] for container in pod["spec"]["containers"] if "/fluent-bit:" in container["image"]]
    for name in signalled:
        status = next(status for status in pod["status"]["initContainerStatuses"] if status["name"] == "credvend")
        for process in cluster.processes_of(status["containerID"]):
            os.kill(process, signal.SIGHUP)
        pod_name = pod["metadata"]["name"]
        wait_until(f"{name} is signalled", 30, lambda: "reloaded" in cluster.container_log(pod_name, name))
        found = wait_for_identity(cluster, pod_name, name, previous=[ROLE_B])
        check.equal(f"role of {name} after a renewal", found, ROLE_B)


def check_role_until_exit(cluster, check, story, workload, pod):
    """Deletes the workload: applications that call AWS after SIGTERM still have their role."""
    logs = OpenLogs(cluster, pod["metadata"]["name"])
    applications = [container for container in pod["spec"]["containers"] if not rendered.is_credvend(container)]
    workload.delete()
    lines = logs.lines()
    for container in applications:
        if "/fluent-bit:" in container["image"]:
            continue
        role = EXPECTED.get((story.name, container["name"]), ROLE_B)
        log = "\n".join(text for name, _, text in lines if name == container["name"])
        if identities(log) != [role, role]:
            raise CheckFailed(f"role of {container['name']} at its start and exit: {identities(log)}: {log[-800:]}")
        check.that(f"role of {container['name']} at its start and exit is the same", True)
