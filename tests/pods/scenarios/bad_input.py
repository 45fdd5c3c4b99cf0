"""The manifest k8s/sidecar with mistakes. For each, `kubectl logs` shows a line that says what to change."""

import rendered
from pod.manual import check_message
from sidecar_pod import SidecarPod
from support.waiting import wait_until

PROBE = "curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:9911/ || true"
TOKENS = "/var/run/secrets/credvend.dev/serviceaccount"


def run(cluster, check):
    spec = sidecar_pod()
    spec.drop_volume("credvend-token")
    with cluster.manifest_pod("no-volume", spec.pod) as pod:
        line = credvend(pod).wait_for("no such file")
        check.that(f"missing token volume: {message(line)}", "mount a projected serviceAccountToken volume there" in line)

    spec = sidecar_pod()
    spec.token["audience"] = "https://kubernetes.default.svc"
    with cluster.manifest_pod("audience", spec.pod) as pod:
        line = credvend(pod).wait_for("Incorrect token audience")
        check.that(f"wrong audience: {message(line)}", "project the token with an audience that the IAM identity provider lists as a client ID" in line)

    no_fs_group(cluster, check)
    sub_path(cluster, check)

    spec = sidecar_pod()
    proxy = {"name": "proxy", "image": "registry.example/proxy:1", "command": ["python3", "-m", "http.server", "9911"]}
    with cluster.manifest_pod("port", spec.pod) as pod:
        first = pod.launch(proxy)
        wait_until("the proxy listens", 10, lambda: "200" in first.run_in_network("sh", "-c", PROBE))
        check.equal("port in use: exit code", credvend(pod).wait(), 6)
        line = last_line(pod.started["credvend"])
        check.that(f"port in use: {message(line)}", "127.0.0.1:9911" in line and "choose another port" in line, line)


def no_fs_group(cluster, check):
    spec = sidecar_pod()
    del spec.pod["securityContext"]["fsGroup"]
    spec.volume("credvend-token")["projected"]["defaultMode"] = 0o400
    with cluster.manifest_pod("no-fsgroup", spec.pod) as pod:
        line = credvend(pod).wait_for("permission denied")
        check.that(f"no fsGroup and mode 0400: {message(line)}", "to uid 65532" in line and "set fsGroup" in line)

    # With the default mode, all users can read the token. The authorization token is readable only for credvend's group,
    # which the application's user does not have.
    spec = sidecar_pod()
    del spec.pod["securityContext"]["fsGroup"]
    with cluster.manifest_pod("no-fsgroup", spec.pod) as pod:
        pod.start()
        application = pod.started["application"]
        line = application.wait_for("ermission denied")
        check.that(f"no fsGroup: the application writes {line.strip()!r}", "/credvend-shared/authorization-token" in line)


def sub_path(cluster, check):
    # A subPath mount is never updated, so the token in it expires one hour after the pod's start.
    spec = sidecar_pod()
    spec.mount("credvend-token").update({"subPath": "token", "mountPath": f"{TOKENS}/token"})
    with cluster.manifest_pod("token-subpath", spec.pod, age=7200) as pod:
        line = credvend(pod).wait_for("expired at")
        check.that(f"token with subPath: {message(line)}", "mount the directory rather than a subPath" in line, line)

    # A file that is mounted with subPath cannot be replaced. If the file does not exist, the kubelet creates a directory
    # with its name.
    prepare = {"name": "prepare", "image": "registry.example/prepare:1", "command": ["touch", "/aws/credentials"]}
    prepare["volumeMounts"] = [{"name": "aws", "mountPath": "/aws"}]
    for title, before, problem, advice in [
        ("an existing file", [prepare], "is a mount point of its own", "mount the directory that contains it instead"),
        ("a missing file", [], "is a mounted directory", "mount the volume itself and not a file in it"),
    ]:
        spec = sidecar_pod()
        spec.credvend["env"].append({"name": "CREDVEND_CREDENTIALS_FILE", "value": "/aws/credentials"})
        spec.credvend["volumeMounts"].append({"name": "aws", "subPath": "credentials", "mountPath": "/aws/credentials"})
        spec.pod["volumes"].append({"name": "aws", "emptyDir": {"medium": "Memory"}})
        with cluster.manifest_pod("file-subpath", spec.pod) as pod:
            for container in before:
                pod.launch(container).expect_success()
            sidecar = credvend(pod)
            check.equal(f"credentials file with subPath of {title}: exit code", sidecar.wait(), 6)
            line = last_line(sidecar)
            check.that(f"credentials file with subPath of {title}: {message(line)}", advice in line, line)
            check_message(check, line, problem)


def sidecar_pod():
    return SidecarPod(rendered.documents(rendered.GOLDEN / "sidecar.yaml"))


def credvend(pod):
    """Starts only credvend."""
    return pod.launch(pod.spec["initContainers"][0])


def last_line(container):
    return container.logs().rstrip().splitlines()[-1]


def message(line):
    """Returns a log line without its time."""
    return line.split("Z ", 1)[-1].strip()
