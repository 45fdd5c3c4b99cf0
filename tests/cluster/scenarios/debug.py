"""The command `kubectl debug` of k8s/README.md, in a terminal: `explain` reads the environment of a running application."""

import json
import os
import re
import shlex
import subprocess
import threading

import readme
from stage.injection import METADATA, Injection
from stage.story import Story, wait_for_identity

# The users and groups of the application, and the file that the README passes with --custom for them.
APPLICATIONS = {
    "user-of-image": ({}, {"runAsUser": 1000}),
    "other-user-and-group": ({"runAsUser": 2000, "runAsGroup": 3000}, {"runAsUser": 2000, "runAsGroup": 3000}),
}
NAME = re.compile(r"^Defaulting debug container name to (\S+)\.$", re.MULTILINE)
EXPLAINED = re.compile(r"^boto3, AWS CLI +yes +container endpoint", re.MULTILINE)
INDEPENDENT = True


def run(cluster, check):
    check_story(cluster, check)
    check_injected(cluster, check)


def check_story(cluster, check):
    """As documented, for a pod of k8s/sidecar."""
    with Story(cluster, "sidecar") as story:
        (workload,) = story.wait().workloads
        pod = workload.pods()[0]["metadata"]["name"]
        output = explain(cluster, "shop", pod, {"runAsUser": 1000})
        check.that("boto3 uses the container endpoint in a pod of k8s/sidecar", EXPLAINED.search(output), output)


def check_injected(cluster, check):
    with Injection(cluster, {"pod-security.kubernetes.io/enforce": "restricted"}) as injection:
        for name, (context, custom) in APPLICATIONS.items():
            cluster.kubectl("create", "--namespace", injection.namespace, "--filename", "-", document=application(name, context))
            wait_for_identity(cluster, name, "application", injection.namespace)
            output = explain(cluster, injection.namespace, name, custom)
            check.that(f"{name}: boto3 uses the container endpoint in an injected pod", EXPLAINED.search(output), output)
            output = explain(cluster, injection.namespace, name, {})
            check.that(f"{name}: another user cannot read the environment, and the message says so", "permission denied" in output, output)


def application(name, context):
    container = {
        "name": "application", "image": "registry.example/application:1.0.0",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, **context},
    }
    security = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **METADATA},
        "spec": {"securityContext": security, "containers": [container]},
    }


def explain(cluster, namespace, pod, context):
    """Runs the command of the README in a terminal, with this security context, and returns what it prints."""
    command = next(
        command for block in readme.code_blocks(readme.MANUAL.read_text(), "sh") for command in readme.shell_commands(block)
        if command.startswith("kubectl debug ")
    )
    words = shlex.split(command.replace("-n shop", f"-n {namespace}").replace(" POD ", f" {pod} "))
    custom = []
    if context:
        file = cluster.directory(f"custom-{cluster.number()}") / "custom.json"
        file.write_text(json.dumps({"securityContext": context}))
        custom = [f"--custom={file}"]
    end = words.index("--")
    output = in_terminal([cluster.programs / "kubectl", "--kubeconfig", cluster.kubeconfig, *words[1:end], *custom, *words[end:]])
    # kubectl attaches to the container, whose output it misses if the container has ended before.
    return output + cluster.container_log(pod, NAME.search(output)[1], namespace)


def in_terminal(command, seconds=120):
    """Runs a command with a terminal as its input and output. Returns the output."""
    ours, theirs = os.openpty()
    process = subprocess.Popen([str(word) for word in command], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        chunks = []
        try:
            while chunk := terminal.read(4096):
                chunks.append(chunk)
        except OSError:
            # The other end is closed.
            pass
    process.wait()
    timer.cancel()
    return b"".join(chunks).decode(errors="replace").replace("\r\n", "\n")
