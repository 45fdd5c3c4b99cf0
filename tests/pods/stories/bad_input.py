"""The sidecar's manifest with a mistake: each gives, in `kubectl logs`, the line that its user needs."""

import copy

import rendered
from pod.manual import told
from support.deadline import until

PROBE = "curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:9911/ || true"
TOKENS = "/var/run/secrets/credvend.dev/serviceaccount"


def run(cluster, check):
    spec = Manifest()
    spec.drop_volume("credvend-token")
    with cluster.manifest_pod("no-volume", spec.pod) as pod:
        line = credvend(pod).wait_for("no such file")
        check.that(f"token volume missing: {said(line)}", "mount a projected serviceAccountToken volume there" in line)

    spec = Manifest()
    spec.token["audience"] = "https://kubernetes.default.svc"
    with cluster.manifest_pod("audience", spec.pod) as pod:
        line = credvend(pod).wait_for("Incorrect token audience")
        check.that(f"wrong audience: {said(line)}", "project the token with an audience that is among" in line)

    no_fs_group(cluster, check)
    sub_path(cluster, check)

    spec = Manifest()
    taken = {"name": "proxy", "image": "registry.example/proxy:1", "command": ["python3", "-m", "http.server", "9911"]}
    with cluster.manifest_pod("port", spec.pod) as pod:
        first = pod.launch(taken)
        until("the port to be taken", 10, lambda: "200" in first.in_network("sh", "-c", PROBE))
        check.equal("port taken: it ends with 6", credvend(pod).end(), 6)
        line = last(pod.started["credvend"])
        check.that(f"port taken: {said(line)}", "127.0.0.1:9911" in line and "choose another port" in line, line)


def no_fs_group(cluster, check):
    spec = Manifest()
    del spec.pod["securityContext"]["fsGroup"]
    spec.volume("credvend-token")["projected"]["defaultMode"] = 0o400
    with cluster.manifest_pod("no-fsgroup", spec.pod) as pod:
        line = credvend(pod).wait_for("permission denied")
        check.that(f"no fsGroup, and a strict mode: {said(line)}", "to uid 65532" in line and "set fsGroup" in line)

    # By default the kubelet then has all read the token, but what credvend shares is for a group that nobody else has.
    spec = Manifest()
    del spec.pod["securityContext"]["fsGroup"]
    with cluster.manifest_pod("no-fsgroup", spec.pod) as pod:
        pod.start()
        application = pod.started["application"]
        line = application.wait_for("ermission denied")
        check.that(f"no fsGroup: the application says {line.strip()!r}", "/credvend-shared/authorization-token" in line)


def sub_path(cluster, check):
    # What a subPath names is mounted once and for all: the token in it ends an hour after the pod's start.
    spec = Manifest()
    spec.mount("credvend-token").update({"subPath": "token", "mountPath": f"{TOKENS}/token"})
    with cluster.manifest_pod("token-subpath", spec.pod, age=7200) as pod:
        line = credvend(pod).wait_for("expired at")
        check.that(f"token by subPath: {said(line)}", "mount the directory rather than a subPath" in line, line)

    # And what is in it cannot be replaced. Where there is no such file yet, the kubelet makes a directory of that name.
    prepare = {"name": "prepare", "image": "registry.example/prepare:1", "command": ["touch", "/aws/credentials"]}
    prepare["volumeMounts"] = [{"name": "aws", "mountPath": "/aws"}]
    for what, before, words, advice in [
        ("a file", [prepare], "is a mount point of its own", "mount the directory that holds it instead"),
        ("nothing yet", [], "is a mounted directory", "mount the volume itself and not a file in it"),
    ]:
        spec = Manifest()
        spec.credvend["env"].append({"name": "CREDVEND_CREDENTIALS_FILE", "value": "/aws/credentials"})
        spec.credvend["volumeMounts"].append({"name": "aws", "subPath": "credentials", "mountPath": "/aws/credentials"})
        spec.pod["volumes"].append({"name": "aws", "emptyDir": {"medium": "Memory"}})
        with cluster.manifest_pod("file-subpath", spec.pod) as pod:
            for container in before:
                pod.launch(container).must_end_well()
            sidecar = credvend(pod)
            check.equal(f"credentials file by subPath, with {what} there: it ends with 6", sidecar.end(), 6)
            line = last(sidecar)
            check.that(f"and says {said(line)}", advice in line, line)
            told(check, line, words)


class Manifest:
    """k8s/sidecar, to be spoilt."""

    def __init__(self):
        documents = rendered.documents(rendered.GOLDEN / "sidecar.yaml")
        self.pod = next(copy.deepcopy(pod) for pod in map(rendered.pod_of, documents) if pod)
        self.credvend = self.pod["initContainers"][0]

    def volume(self, name):
        return next(volume for volume in self.pod["volumes"] if volume["name"] == name)

    def mount(self, name):
        return next(mount for mount in self.credvend["volumeMounts"] if mount["name"] == name)

    @property
    def token(self):
        return self.volume("credvend-token")["projected"]["sources"][0]["serviceAccountToken"]

    def drop_volume(self, name):
        self.pod["volumes"].remove(self.volume(name))
        self.credvend["volumeMounts"].remove(self.mount(name))


def credvend(pod):
    """Starts it alone."""
    return pod.launch(pod.spec["initContainers"][0])


def last(container):
    return container.logs().rstrip().splitlines()[-1]


def said(line):
    """Without the time."""
    return line.split("Z ", 1)[-1].strip()
