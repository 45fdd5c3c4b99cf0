"""A restart of the kubelet: pods go on. The kubelet then projects a new token, and credvend uses it for its next exchange."""

import base64
import json
import os
import signal

from scenarios.killed_sidecar import IDENTITY, sidecar
from stage.story import Story, identities, wait_for_identity
from stage.waiting import wait_until
from support.roles import ROLE_B


def run(cluster, check):
    with Story(cluster, "sidecar") as story:
        story.wait()
        pods = story.workloads[0].pods()
        pod = pods[0]
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        wait_for_identity(cluster, name, "application")
        file = cluster.state / f"kubelet/pods/{uid}/volumes/kubernetes.io~projected/credvend-token/token"
        before = file.read_text()
        kubelet = cluster.daemons["kubelet"]
        kubelet.stop()
        check.that("the kubelet has ended", kubelet.pid() is None)
        # The kubelet is not needed for credentials.
        (process,) = cluster.processes_of(sidecar(pod)["containerID"])
        kubelet.start()
        # The tokens that it knew were in its memory.
        wait_until("the kubelet projects a new token", 120, lambda: file.read_text() != before)
        after = file.read_text()
        for token in (before, after):
            cluster.secrets.add("JWT", token)
        check.that("the new token is another one of the same service account", claims(after)["sub"] == claims(before)["sub"])
        os.kill(process, signal.SIGHUP)
        wait_until("credvend exchanges the new token", 30, lambda: exchanged(cluster, after))
        check.that("credvend exchanges the new token after a reload", True)
        found = cluster.get("pod", name, "--namespace", "shop")["status"]
        restarts = [status["restartCount"] for status in found["initContainerStatuses"] + found["containerStatuses"]]
        check.equal("restarts of the containers", restarts, [0, 0])
        cluster.wait_until_node_is_ready()
        output = cluster.exec(name, "application", *IDENTITY)
        check.equal("role of the application afterwards", identities(output), [ROLE_B])


def exchanged(cluster, token):
    requests = cluster.sts_requests("AssumeRoleWithWebIdentity")
    return any(request["parameters"]["WebIdentityToken"] == token and request["status"] == 200 for request in requests)


def claims(token):
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
