"""The pod of k8s/sidecar with mistakes. For each, `kubectl logs` shows a line that says what to change."""

import rendered
import yaml
from sidecar_pod import SidecarPod
from stage.story import NAMESPACE, apply_namespace
from stage.waiting import wait_until
from support.checks import CheckFailed

STORY = rendered.K8S / "sidecar" / "sidecar.yaml"
INDEPENDENT = True


def no_volume(manifest):
    manifest.drop_volume("credvend-token")
    return "no such file; mount a projected serviceAccountToken volume there"


def audience(manifest):
    manifest.token["audience"] = "https://kubernetes.default.svc"
    return "STS answered InvalidIdentityToken: Incorrect token audience"


def no_fs_group(manifest):
    del manifest.pod["securityContext"]["fsGroup"]
    manifest.volume("credvend-token")["projected"]["defaultMode"] = 0o400
    return "set fsGroup"


def port(manifest):
    # The kubelet starts init containers in order, so this one has the port first.
    proxy = {
        "name": "proxy", "image": "registry.example/application:1.0.0", "restartPolicy": "Always",
        "command": ["python3", "-m", "http.server", "9911", "--directory", "/opt"],
        "startupProbe": {"exec": {"command": ["python3", "-c", "import socket; socket.create_connection(('127.0.0.1', 9911))"]},
                         "periodSeconds": 1, "timeoutSeconds": 5, "failureThreshold": 60},
        "securityContext": manifest.credvend["securityContext"],
    }
    manifest.pod["initContainers"].insert(0, proxy)
    return "choose another port"


def credentials_file(manifest):
    manifest.credvend["env"].append({"name": "CREDVEND_CREDENTIALS_FILE", "value": "/aws/credentials"})
    manifest.credvend["volumeMounts"].append({"name": "aws", "subPath": "credentials", "mountPath": "/aws/credentials"})
    manifest.pod["volumes"].append({"name": "aws", "emptyDir": {"medium": "Memory"}})


def sub_path_of_missing_file(manifest):
    credentials_file(manifest)
    return "is a mounted directory"


def sub_path_of_existing_file(manifest):
    credentials_file(manifest)
    manifest.pod["initContainers"].insert(0, {
        "name": "prepare", "image": "registry.example/application:1.0.0", "command": ["touch", "/aws/credentials"],
        "volumeMounts": [{"name": "aws", "mountPath": "/aws"}], "securityContext": manifest.credvend["securityContext"],
    })
    return "is a mount point of its own"


MISTAKES = [no_volume, audience, no_fs_group, port, sub_path_of_missing_file, sub_path_of_existing_file]


def run(cluster, check):
    apply_namespace(cluster)
    expected = {}
    for mistake in MISTAKES:
        manifest = SidecarPod(yaml.safe_load_all(STORY.read_text()))
        name = mistake.__name__.replace("_", "-")
        expected[name] = mistake(manifest)
        document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": manifest.pod}
        cluster.kubectl("create", "--namespace", NAMESPACE, "--filename", "-", document=document)
    try:
        for name, advice in expected.items():
            line = wait_for_line(cluster, name, advice)
            check.that(f"{name}: {line}", True)
    finally:
        cluster.kubectl("delete", "pod", *expected, "--namespace", NAMESPACE, "--ignore-not-found", "--grace-period=1")


def wait_for_line(cluster, name, advice):
    """Waits until credvend writes the advice in this run or the one before it. Returns the line without its time."""
    def logs():
        return cluster.container_log(name, "credvend") + cluster.container_log(name, "credvend", previous=True)

    def found():
        return next((line.split("Z ", 1)[-1].strip() for line in logs().splitlines() if advice in line), None)
    try:
        return wait_until(f"{name}: credvend writes {advice!r}", 60, found)
    except CheckFailed as failure:
        raise CheckFailed(f"{failure}; it wrote: {logs()[-1000:]}; {cluster.events(name)[-800:]}") from failure
