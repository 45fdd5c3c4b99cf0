"""The running cluster: what scenarios use of it."""

import json
import os
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stage import daemons, images, keys, namespaces
from stage.daemons import Daemon
from stage.namespaces import NODE_ADDRESS
from stage.waiting import wait_until
from support.checks import CheckFailed
from support.commands import run_command
from support.context import SuiteContext
from support.sts_requests import select_requests

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
K8S = ROOT / "k8s"
STS_PORT = 8080
S3_URL = f"http://{NODE_ADDRESS}:5000"


class Cluster(SuiteContext):
    """`state` holds all files of the cluster. An instance belongs to one process; the cluster can outlive it."""

    def __init__(self, state, local_sts, scratch):
        super().__init__(scratch)
        self.state = state
        self.programs = state / "programs"
        self.daemons = daemons.daemons(state, self.programs)
        self.sts = Daemon(state, "local-sts", [
            local_sts, "--listen", f"0.0.0.0:{STS_PORT}", "--world", HERE / "world.json", "--jwks", state / "jwks.json",
        ])
        # An S3. By address: it takes the first label of a host name for a bucket.
        self.moto = Daemon(state, "moto", [sys.executable, "-B", "-m", "moto.server", "-H", "0.0.0.0", "-p", "5000"])
        self.kubeconfig = state / "keys" / "admin.kubeconfig"
        # The logs of credvend that scenarios have read.
        self.credvend_logs = {}

    # Start

    def start(self, archives):
        """Starts everything, from inside the namespaces. The archives have the images that pods use."""
        namespaces.prepare(self.state)
        os.environ["PATH"] = f"{self.programs}:{os.environ['PATH']}"
        keys.create(self.state / "keys")
        daemons.configure(self.state)
        # Without an API server, the controller manager and the scheduler end.
        for name in ("etcd", "containerd", "apiserver"):
            self.daemons[name].start()
        with ThreadPoolExecutor(1) as pool:
            wait_until("containerd responds", 30, lambda: (self.state / "containerd.sock").exists())
            loading = pool.submit(self.load_images, archives)
            wait_until("the API server is ready", 90, self._api_server_is_ready)
            for name in ("controller-manager", "scheduler", "kubelet"):
                self.daemons[name].start()
            self.wait_until_node_is_ready()
            loading.result()
        (self.state / "jwks.json").write_text(self.kubectl("get", "--raw", "/openid/v1/jwks"))
        self.sts.start()
        self.moto.start()
        self._finish_start()

    def resume(self, archives):
        """Checks that a kept cluster still runs."""
        os.environ["PATH"] = f"{self.programs}:{os.environ['PATH']}"
        for daemon in [*self.daemons.values(), self.sts, self.moto]:
            daemon.require_running()
        self.load_images(archives)

    def load_images(self, archives):
        for archive in archives:
            self.ctr("images", "import", archive)
        for name in images.CREDVEND[1:]:
            self.ctr("images", "tag", "--force", images.CREDVEND[0], name)

    def _finish_start(self):
        """Waits until the services of the suite respond and pods are redirected to them."""
        self._wait("local-sts responds", 20, lambda: responds(f"http://127.0.0.1:{STS_PORT}/_local/requests"))
        self._wait("moto responds", 60, lambda: responds(f"{S3_URL}/moto-api/data.json"))
        self._wait("the default service account exists", 30, lambda: self.kubectl("get", "serviceaccount", "default", check=False))
        self.kubectl("apply", "--filename", HERE / "redirect.yaml")
        self.wait_for_policy({}, "AWS_ENDPOINT_URL_STS")

    def wait_for_api_server(self):
        self._wait("the API server is ready", 90, self._api_server_is_ready)

    def _api_server_is_ready(self):
        self.daemons["apiserver"].require_running()
        return self.kubectl("get", "--raw", "/readyz", check=False) == "ok"

    def wait_until_node_is_ready(self):
        self._wait("the node is ready", 120, self._node_is_ready)

    def _node_is_ready(self):
        nodes = json.loads(self.kubectl("get", "nodes", "--output", "json", check=False) or '{"items": []}')["items"]
        conditions = [condition for node in nodes for condition in node["status"].get("conditions", [])]
        return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)

    def _wait(self, condition, seconds, probe):
        def check():
            for daemon in self.daemons.values():
                daemon.require_running()
            return probe()

        return wait_until(condition, seconds, check)

    def ctr(self, *arguments):
        command = [self.programs / "ctr", "--address", self.state / "containerd.sock", "--namespace", "k8s.io", *arguments]
        completed = run_command(command, 300)
        if completed.returncode:
            raise CheckFailed(f"ctr {arguments[0]} {arguments[1]}: {completed.stderr[-800:]}")
        return completed.stdout

    # Requests to the API server

    def kubectl(self, *arguments, check=True, seconds=150, document=None):
        """Runs kubectl as the administrator and returns its standard output; None if it fails and `check` is false."""
        completed = self.kubectl_result(*arguments, seconds=seconds, document=document)
        if completed.returncode == 0:
            return completed.stdout
        if not check:
            return None
        words = " ".join(map(str, arguments))
        raise CheckFailed(f"kubectl {words}: {completed.stderr[-1500:]}{completed.stdout[-500:]}")

    def kubectl_result(self, *arguments, seconds=150, document=None):
        """Runs kubectl and returns the completed process. A document is passed on standard input."""
        words = [self.programs / "kubectl", "--kubeconfig", self.kubeconfig, *map(str, arguments)]
        if document is None:
            return run_command(words, seconds)
        text = document if isinstance(document, str) else json.dumps(document)
        return subprocess.run([str(word) for word in words], input=text, capture_output=True, text=True, timeout=seconds)

    def get(self, *arguments):
        """Returns an object or a list of objects."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    def apply(self, *documents, namespace="shop"):
        for document in documents:
            self.kubectl("apply", "--namespace", namespace, "--filename", "-", document=document)

    def dry_run(self, document, namespace="default"):
        """Returns an object as the API server would create it, as JSON; the message if it refuses the object."""
        result = self.kubectl_result(
            "create", "--namespace", namespace, "--dry-run=server", "--output", "json", "--filename", "-", document=document,
        )
        return result.stdout if result.returncode == 0 else result.stderr

    def wait_for_policy(self, changes, text, namespace="default", seconds=30):
        """Waits until the response to a pod with these fields contains a text: the API server reads new policies once a second."""
        document = {**pod("dry-run"), **changes}
        document["metadata"] = {"name": "dry-run", **document["metadata"]}
        return self._wait(f"{text!r} is in effect", seconds, lambda: text in self.dry_run(document, namespace))

    def pods(self, selector="", namespace="shop"):
        return self.get("pods", "--namespace", namespace, *(["--selector", selector] if selector else []))["items"]

    def exec(self, pod_name, container, *command, namespace="shop", check=True):
        """Runs a command in a container and returns its standard output; None if it fails and `check` is false."""
        return self.kubectl("exec", "--namespace", namespace, pod_name, "--container", container, "--", *command, check=check)

    def container_log(self, pod_name, container, namespace="shop", previous=False):
        options = ["--previous"] if previous else []
        text = self.kubectl("logs", "--namespace", namespace, pod_name, "--container", container, *options, check=False) or ""
        if container.startswith("credvend"):
            self.credvend_logs[f"{namespace}/{pod_name}/{container}{'/previous' * previous}"] = text
        return text

    def wait_for_job(self, name, namespace="shop", seconds=120):
        """Waits until a Job completes. It is a failed check if the Job fails."""
        def finished():
            conditions = self.get("job", name, "--namespace", namespace)["status"].get("conditions", [])
            found = {condition["type"]: condition for condition in conditions if condition["status"] == "True"}
            if "Failed" in found:
                raise CheckFailed(f"the Job {name} failed: {found['Failed'].get('message')}")
            return "Complete" in found
        wait_until(f"the Job {name} completes", seconds, finished)

    def delete_namespace(self, namespace):
        """Deletes a namespace with all its pods, at once."""
        for item in self.pods(namespace=namespace):
            for container in item["spec"].get("initContainers", []) + item["spec"]["containers"]:
                if container["name"].startswith("credvend"):
                    self.container_log(item["metadata"]["name"], container["name"], namespace)
        self.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--timeout", "120s")

    def events(self, name, namespace="shop"):
        """Returns the messages of the events of an object."""
        items = self.get("events", "--namespace", namespace, "--field-selector", f"involvedObject.name={name}")["items"]
        return "\n".join(f"{item['reason']}: {item['message']}" for item in items)

    # The services of the suite

    def control_sts(self, method, path, body=None):
        """Calls a control route of local-sts and returns the body of the response."""
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(f"http://127.0.0.1:{STS_PORT}/_local/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.read().decode()

    def sts_requests(self, *actions):
        """Returns the requests that local-sts recorded for these actions, or all requests."""
        return select_requests(json.loads(self.control_sts("GET", "requests")), self.secrets, actions)

    def processes_of(self, container_id):
        """Returns the process IDs of a container, given its ID in the status of a pod."""
        identifier = container_id.partition("://")[2]
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                if identifier in (directory / "cgroup").read_text():
                    found.append(int(directory.name))
            except OSError:
                continue
        return sorted(found)


def pod(name, **spec):
    """Returns a pod for dry runs, which satisfies the restricted profile."""
    container = {
        "name": "application", "image": "registry.example/application:1.0.0",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"securityContext": security, "containers": [container], **spec},
    }


def responds(url):
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False
