"""A folder of k8s/ in the cluster: applied as it stands, with its workloads and pods."""

import json
import re
import subprocess
import threading
from collections import defaultdict
from pathlib import Path

import rendered
import yaml
from stage.waiting import wait_until
from support.checks import CheckFailed

IDENTITY = re.compile(r"arn:aws:sts::(\d+):assumed-role/([^/\s]+)/|^no identity$", re.MULTILINE)
NAMESPACE = "shop"
STORY_SIDECAR = rendered.K8S / "sidecar" / "sidecar.yaml"
# The manifests name this service account; the examples of the component leave it to the overlay.
SERVICE_ACCOUNT = {
    "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "checkout", "namespace": NAMESPACE},
    "automountServiceAccountToken": False,
}
# Two commands must not create the same object at a time.
APPLYING = threading.Lock()
# Several scenarios apply the same folder.
FOLDERS = defaultdict(threading.Lock)
ROLLED_OUT = ("Deployment", "StatefulSet", "DaemonSet")


def apply_namespace(cluster):
    """Applies k8s/namespace and the service account of the manifests."""
    with APPLYING:
        cluster.kubectl("apply", "--kustomize", rendered.K8S / "namespace")
        cluster.apply(SERVICE_ACCOUNT)


class Story:
    """A context: applies the folder and deletes its workloads."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.folder = rendered.folders()[name]
        documents = [document for document in yaml.safe_load_all(cluster.kubectl("kustomize", self.folder)) if document]
        self.workloads = [Workload(cluster, document) for document in documents if rendered.pod_of(document)]

    def __enter__(self):
        FOLDERS[self.name].acquire()
        try:
            apply_namespace(self.cluster)
            self.cluster.kubectl("apply", "--kustomize", self.folder)
        except BaseException:
            FOLDERS[self.name].release()
            raise
        return self

    def wait(self):
        for workload in self.workloads:
            workload.wait()
        return self

    def __exit__(self, *_):
        try:
            for workload in self.workloads:
                workload.delete()
        finally:
            FOLDERS[self.name].release()


class Workload:
    def __init__(self, cluster, document):
        self.cluster = cluster
        self.kind, self.name = document["kind"], document["metadata"]["name"]
        self.spec = rendered.pod_of(document)
        self.is_server = self.kind in ROLLED_OUT
        self.label = document["spec"].get("selector", {}).get("matchLabels", {}).get("app.kubernetes.io/name")
        # A CronJob is started by hand, as `kubectl create job --from` does.
        self.job = {"Job": self.name, "CronJob": f"{self.name}-now"}.get(self.kind)

    def wait(self, seconds=120):
        """Waits until servers are ready and Jobs complete."""
        try:
            if self.is_server:
                self.cluster.kubectl(
                    "rollout", "status", f"{self.kind}/{self.name}", "--namespace", NAMESPACE, f"--timeout={seconds}s", seconds=seconds + 10,
                )
                return
            if self.kind == "CronJob":
                self.cluster.kubectl("create", "job", self.job, f"--from=cronjob/{self.name}", "--namespace", NAMESPACE)
            self.cluster.wait_for_job(self.job, NAMESPACE, seconds)
        except CheckFailed as failure:
            raise CheckFailed(f"{failure}\n{self.explain()}") from failure

    def explain(self):
        """Returns what the pods' containers wrote and their events."""
        lines = []
        for pod in self.pods():
            name = pod["metadata"]["name"]
            lines.append(f"{name}: {pod['status']['phase']}\n{self.cluster.events(name, NAMESPACE)}")
            for container in rendered.containers_of(pod["spec"]):
                log = self.cluster.container_log(name, container["name"], NAMESPACE)
                lines.append(f"{container['name']}: {log[-400:].strip()}")
        return "\n".join(lines)

    def pods(self):
        """Returns the pods that are not being deleted."""
        owner = f"job-name={self.job}" if self.job else f"app.kubernetes.io/name={self.label}"
        return [
            pod for pod in self.cluster.pods(owner, NAMESPACE)
            if "deletionTimestamp" not in pod["metadata"] and self._owns(pod)
        ]

    def _owns(self, pod):
        owner = pod["metadata"]["ownerReferences"][0]
        return owner["kind"] == {"Deployment": "ReplicaSet", "CronJob": "Job"}.get(self.kind, self.kind)

    def delete(self):
        """Deletes the workload and its pods, after their logs have been read."""
        for pod in self.pods():
            for container in rendered.containers_of(pod["spec"]):
                if rendered.is_credvend(container):
                    self.cluster.container_log(pod["metadata"]["name"], container["name"], NAMESPACE)
        kinds = [f"{self.kind}/{self.name}", *([f"Job/{self.job}"] if self.kind == "CronJob" else [])]
        self.cluster.kubectl(
            "delete", *kinds, "--namespace", NAMESPACE, "--ignore-not-found", "--cascade=foreground", "--timeout=90s",
        )


class OpenLogs:
    """The log files of a pod's containers, opened before the kubelet removes them with the pod."""

    DIRECTORY = Path("/var/log/pods")
    # Each line has a time, a stream and a tag before its text.
    LINE = re.compile(r"^(\S+) (?:stdout|stderr) [FP] (.*)$", re.MULTILINE)

    def __init__(self, cluster, pod_name):
        uid = cluster.get("pod", pod_name, "--namespace", NAMESPACE)["metadata"]["uid"]
        # The last file of a container is that of its last start.
        files = sorted((self.DIRECTORY / f"{NAMESPACE}_{pod_name}_{uid}").glob("*/*.log"))
        self.files = {file.parent.name: file.open() for file in files}

    def lines(self):
        """Returns the container, the time and the text of each line in the order of their times, after the end of the pod."""
        lines = []
        for name, file in self.files.items():
            with file:
                lines += [(name, time, text) for time, text in self.LINE.findall(file.read())]
        return sorted(lines, key=lambda line: comparable(line[1]))


def comparable(time):
    """Returns a key that orders times whose fractions of a second have different lengths."""
    seconds, _, fraction = time.removesuffix("Z").partition(".")
    return seconds, fraction.ljust(9, "0")


class Watched:
    """The versions of a pod until it is deleted, as `kubectl get --watch` shows them."""

    def __init__(self, cluster, pod_name):
        self.process = subprocess.Popen(
            [cluster.programs / "kubectl", "--kubeconfig", cluster.kubeconfig, "get", "pod", "--namespace", NAMESPACE, "--watch",
             "--output", "json", "--output-watch-events", "--field-selector", f"metadata.name={pod_name}"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )

    def versions(self):
        """Returns all versions, after the pod has been deleted."""
        self.process.terminate()
        text = self.process.communicate()[0]
        decoder, found = json.JSONDecoder(), []
        while text := text.lstrip():
            try:
                event, end = decoder.raw_decode(text)
            except ValueError:
                break
            found.append(event["object"])
            text = text[end:]
        return found


def identities(log):
    """Returns the roles of all identities that an application has printed; None for no identity."""
    return [f"arn:aws:iam::{m[1]}:role/{m[2]}" if m[1] else None for m in IDENTITY.finditer(log)]


def wait_for_identity(cluster, pod_name, container, namespace=NAMESPACE, seconds=90, previous=()):
    """Waits until an application prints another identity than the `previous` ones. Returns the role; None for no identity."""
    def found():
        return identities(cluster.container_log(pod_name, container, namespace))[len(previous):]
    try:
        return wait_until(f"{container} prints its identity", seconds, found)[0]
    except CheckFailed as failure:
        raise CheckFailed(f"{failure}; it wrote: {cluster.container_log(pod_name, container, namespace)[-800:]}") from failure


def manifest_comments(folder):
    return "".join(Path(file).read_text() for file in folder.glob("*.yaml"))
