"""A token with a lifetime of 600 s: the kubelet renews it at 80 %, and credvend uses the new one. It takes nine minutes."""

from scenarios.kubelet_restart import claims
from stage.injection import METADATA, Injection
from stage.story import wait_for_identity
from stage.waiting import wait_until

LONG = True
LIFETIME = 600


def run(cluster, check):
    with Injection(cluster) as injection:
        annotations = {**METADATA["annotations"], "credvend.dev/token-expiration": str(LIFETIME)}
        container = {"name": "application", "image": "registry.example/application:1.0.0"}
        cluster.kubectl("create", "--namespace", injection.namespace, "--filename", "-", document={
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "rotation", **METADATA, "annotations": annotations},
            "spec": {"containers": [container]},
        })
        wait_for_identity(cluster, "rotation", "application", injection.namespace)
        uid = cluster.get("pod", "rotation", "--namespace", injection.namespace)["metadata"]["uid"]
        file = cluster.state / f"kubelet/pods/{uid}/volumes/kubernetes.io~projected/credvend-token/token"
        first = file.read_text()
        check.equal("lifetime of the token", claims(first)["exp"] - claims(first)["iat"], LIFETIME)
        wait_until("the kubelet renews the token", LIFETIME, lambda: file.read_text() != first)
        second = file.read_text()
        for token in (first, second):
            cluster.secrets.add("JWT", token)
        age = claims(second)["iat"] - claims(first)["iat"]
        check.that(f"the token was renewed after {age} s, before its expiry", LIFETIME * 0.8 <= age < LIFETIME, age)
        output = cluster.exec("rotation", "credvend", "/credvend", "check", namespace=injection.namespace)
        check.that("`check` succeeds with the new token", "fail  " not in output, output)
        status = cluster.get("pod", "rotation", "--namespace", injection.namespace)["status"]
        check.equal("restarts of credvend", status["initContainerStatuses"][0]["restartCount"], 0)
