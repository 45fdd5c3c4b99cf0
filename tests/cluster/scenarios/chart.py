"""Installs k8s/chart with Helm: pods are injected, an upgrade changes the defaults, the namespace survives the chart, and the chart
replaces an installation with kustomize.

Before that, the API server checks the policies in a dry run. Helm's first build takes five minutes.
"""

import json
import os
import subprocess

import rendered
import yaml
from scenarios.injection import row_pod
from stage.injection import METADATA, ROLE
from stage.story import wait_for_identity
from support.checks import CheckFailed

LONG = True
CHART = rendered.K8S / "chart"
NAMESPACE = "charted"
VALUES = {
    "defaults": {"region": "eu-central-1", "admin-port": 9912, "session-tags": "pod, team=a b"},
    "namespaces": [{"name": NAMESPACE, "annotations": {"credvend.dev/log-level": "debug"}}],
    "alerts": {"enabled": True, "kind": "ConfigMap"},
    "dashboard": {"enabled": True},
}


def prepare():
    """Runs before the cluster is entered, because nothing inside reaches another network."""
    program()


def program():
    """Returns the path of Helm, and builds it if necessary."""
    built = subprocess.run([rendered.ROOT / "tests/chart/build-helm"], stdout=subprocess.PIPE, text=True, check=True)
    return built.stdout.strip()


def run(cluster, check):
    # A release cannot replace objects that it does not own, and other scenarios install the policies with kustomize.
    cluster.kubectl("delete", "--kustomize", rendered.ADMISSION, "--ignore-not-found", "--timeout=120s")
    values = cluster.directory("chart") / "values.yaml"
    values.write_text(yaml.safe_dump(VALUES))
    release = ["credvend", CHART, "--namespace", "credvend", "--values", values]

    # A dry run creates no namespace for the NetworkPolicy.
    api = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
    rendering = helm(cluster, "template", "credvend", CHART, "--values", values, "--set", "namespaces=null", "--api-versions", api)
    preview = cluster.kubectl("apply", "--dry-run=server", "--namespace", "default", "--filename", "-", document=rendering)
    check.that("the API server accepts the policies in a dry run", preview.count("admissionpolicy.") == 3, preview)

    try:
        helm(cluster, "install", *release, "--create-namespace")
        cluster.wait_for_policy({"metadata": METADATA}, "credvend-token", NAMESPACE)
        profile = cluster.get("namespace", NAMESPACE)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        check.equal("Pod Security profile of the namespace", profile, "restricted")
        cluster.get("networkpolicy", "no-instance-metadata", "--namespace", NAMESPACE)
        dashboard = cluster.get("configmap", "credvend-dashboard", "--namespace", "credvend")["data"]["credvend.json"]
        check.equal("the dashboard of the ConfigMap", json.loads(dashboard), json.loads((rendered.K8S / "dashboard.json").read_text()))

        pod = row_pod("plain")
        name = pod["metadata"]["name"]
        cluster.kubectl("create", "--namespace", NAMESPACE, "--filename", "-", document=pod)
        for container in pod["spec"]["containers"]:
            found = wait_for_identity(cluster, name, container["name"], NAMESPACE)
            check.equal(f"role of {container['name']}", found, ROLE)
        variables = environment(cluster.get("pod", name, "--namespace", NAMESPACE))
        check.equal("region of the chart", variables.get("AWS_REGION"), "eu-central-1")
        check.equal("log level of the namespace", variables.get("CREDVEND_LOG"), "debug")

        helm(cluster, "upgrade", *release, "--set", "defaults.region=eu-west-1")
        cluster.wait_for_policy({"metadata": METADATA}, "eu-west-1", NAMESPACE)
        check.that("an upgrade changes the defaults of new pods", True)

        refused = helm_result(cluster, "upgrade", *release, "--set", "defaults.region=Frankfurt").stderr
        check.that("Helm refuses an invalid value", "/defaults/region" in refused, refused)

        helm(cluster, "uninstall", "credvend", "--namespace", "credvend", "--wait")
        check.equal("phase of the namespace after the chart is uninstalled", cluster.get("namespace", NAMESPACE)["status"]["phase"], "Active")
        names = [policy["metadata"]["name"] for policy in cluster.get("mutatingadmissionpolicies")["items"]]
        left = [name for name in names if name.endswith("credvend.dev")]
        check.equal("policies after the chart is uninstalled", left, [])

        cluster.kubectl("apply", "--kustomize", rendered.ADMISSION)
        helm(cluster, "install", *release, "--create-namespace", "--take-ownership", "--force-conflicts")
        cluster.wait_for_policy({"metadata": METADATA}, "eu-central-1", NAMESPACE)
        check.that("the chart replaces an installation with kustomize", True)
    finally:
        helm_result(cluster, "uninstall", "credvend", "--namespace", "credvend", "--ignore-not-found", "--wait")
        cluster.delete_namespace(NAMESPACE)
        cluster.delete_namespace("credvend")


def environment(pod):
    sidecar = next(container for container in pod["spec"]["initContainers"] if container["name"] == "credvend")
    return {variable["name"]: variable.get("value") for variable in sidecar["env"]}


def helm(cluster, *arguments):
    """Runs Helm as the administrator and returns its standard output."""
    completed = helm_result(cluster, *arguments)
    if completed.returncode:
        raise CheckFailed(f"helm {arguments[0]}: {completed.stderr[-1500:]}")
    return completed.stdout


def helm_result(cluster, *arguments):
    words = [program(), "--kubeconfig", cluster.kubeconfig, *arguments]
    # Helm keeps its settings in the home directory.
    home = cluster.scratch / "helm"
    home.mkdir(exist_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HELM_", "XDG_"))}
    return subprocess.run(
        [str(word) for word in words], env={**inherited, "HOME": str(home)}, capture_output=True, text=True, timeout=150, check=False,
    )
