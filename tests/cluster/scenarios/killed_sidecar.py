"""SIGKILL to credvend in k8s/sidecar: the kubelet starts it again, and the application goes on with the same pod and files."""

import os
import signal
import time

from stage.story import Story, identities, wait_for_identity
from stage.waiting import wait_until
from support.roles import ROLE_B

IDENTITY = ["python3", "-B", "-m", "awscli", "sts", "get-caller-identity", "--query", "Arn", "--output", "text"]
INDEPENDENT = True


def run(cluster, check):
    with Story(cluster, "sidecar") as story:
        story.wait()
        pod = story.workloads[0].pods()[0]
        name = pod["metadata"]["name"]
        wait_for_identity(cluster, name, "application")
        (process,) = cluster.processes_of(sidecar(pod)["containerID"])
        os.kill(process, signal.SIGKILL)
        killed = time.monotonic()
        wait_until("credvend is ready again", 60, lambda: restarted(sidecar(cluster.get("pod", name, "--namespace", "shop"))))
        took = time.monotonic() - killed
        check.that(f"credvend is ready again after {took:.1f} s", took < 30, took)
        after = cluster.get("pod", name, "--namespace", "shop")
        ended = sidecar(after)["lastState"]["terminated"]
        check.equal("exit code of the killed process", ended["exitCode"], 137)
        check.equal("restarts of the application", [status["restartCount"] for status in after["status"]["containerStatuses"]], [0])
        # The SDK reads the authorization token from the file again: credvend has written a new one or kept the old one.
        output = cluster.exec(name, "application", *IDENTITY)
        check.equal("role of the application afterwards", identities(output), [ROLE_B])


def sidecar(pod):
    return next(status for status in pod["status"]["initContainerStatuses"] if status["name"] == "credvend")


def restarted(status):
    return status["restartCount"] == 1 and status["ready"] and status.get("started")
