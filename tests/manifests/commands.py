"""Runs the commands of the READMEs of k8s/: each line of a shell block, and each command in inline code.

The commands run in the order of the README, in a scratch directory that looks like the root of this repository. There is no cluster:
fake_kubectl.py replaces `kubectl` and runs the part of a command that needs no cluster; its `exec` runs the binary with the environment
of the sidecar in k8s/sidecar. NOT_RUN lists the other commands, each with the reason.
"""

import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

import fake_kubectl
import local_sts as sts
import readme
import rendered

# The programs whose inline code is a command.
PROGRAMS = ("kubectl ", "credvend ", "/credvend ", "helm ", "images/", "tests/", "sudo ")
# Commands by their first words.
NOT_RUN = {
    "images/build": "compiles the binary and pushes to a registry; tests/pods/run builds the image with this script",
    "helm template": "needs Helm and a chart",
    "helm install": "needs Helm and a cluster; tests/chart/run renders the chart",
    "helm upgrade": "needs Helm and a cluster",
    "helm uninstall": "needs Helm and a cluster",
    "tests/chart/run": "is a test of its own",
    "tests/manifests/run": "is this test",
    "tests/admission/run": "is a test of its own",
    "tests/kyverno/run": "is a test of its own",
    "sudo tests/cluster/run": "needs root; it is a test of its own",
    "sudo tests/pods/run": "needs podman and root; it is a test of its own",
    "kubectl logs": "needs a cluster: reads the log of a pod",
    "kubectl describe pod": "needs a cluster: reads the status of a pod",
    "kubectl get pod": "needs a cluster: reads a pod",
    "kubectl rollout undo": "needs a cluster: changes a Deployment",
    "kubectl rollout restart": "needs a cluster: changes a Deployment",
    "kubectl delete job": "needs a cluster: deletes a Job",
    "kubectl wait": "needs a cluster with Kyverno: waits for a policy",
    "kubectl drain": "needs a cluster: evicts the pods of a node",
}
# Flags of every kubectl command.
GLOBAL_FLAGS = {"-n"}


def check(checks, stories, credvend, local_sts, required):
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        print("manifests: COMMANDS NOT RUN: kubectl is missing")
        checks.that(not required, "kubectl is available to run the commands of the READMEs")
        return
    used = set()
    for document in (readme.MANUAL, readme.ADMISSION):
        with Scratch(document, stories, credvend, local_sts, kubectl) as scratch:
            for command in commands(document.read_text()):
                what = f"{document.relative_to(rendered.ROOT)}: `{command}`"
                prefix = next((prefix for prefix in NOT_RUN if f"{command} ".startswith(f"{prefix} ")), None)
                if prefix is None:
                    faults, notes = scratch.run(command)
                    what += "".join(f" ({note})" for note in notes)
                else:
                    used.add(prefix)
                    what += f" is not run: {NOT_RUN[prefix]}"
                    faults = scratch.syntax(prefix, command)
                checks.that(not faults, what, "; ".join(faults))
            missing = scratch.results.keys() - scratch.ran
            what = f"every expected result belongs to a command of {document.relative_to(rendered.ROOT)}"
            checks.that(not missing, what, ", ".join(sorted(missing)))
    unused = NOT_RUN.keys() - used
    checks.that(not unused, "every exception is a command of a README", ", ".join(sorted(unused)))


def commands(text):
    """Returns the commands of a README: those of the shell blocks first."""
    blocks = [command for block in readme.code_blocks(text, "sh") for command in readme.shell_commands(block)]
    inline = [code for code in readme.inline_code(text) if code.startswith(PROGRAMS)]
    return [*blocks, *dict.fromkeys(code for code in inline if code not in blocks)]


class Scratch:
    """A directory to run commands in, with a running sidecar."""

    def __init__(self, document, stories, credvend, local_sts, kubectl):
        self.document, self.stories = document, stories
        self.credvend, self.local_sts, self.kubectl = credvend, local_sts, kubectl
        self.ran = set()
        self.results = RESULTS[document]

    def __enter__(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="commands-")
        self.home = Path(self.temporary.name)
        world = sts.write_world(self.home / "world.json", "https://oidc.shop.example")
        self.server = sts.serve(self.local_sts, self.home / "sts", "--world", world)
        self.sidecar = None
        try:
            self.lay_out()
            self.start_sidecar()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        sts.stop(*(process for process in (self.sidecar, self.server) if process))
        self.temporary.cleanup()

    def lay_out(self):
        self.root = self.home / "root"
        self.root.mkdir()
        for name in ("k8s", "images", "tests"):
            (self.root / name).symlink_to(rendered.ROOT / name)
        # The overlays that the README of the admission policy describes.
        overlays = [block for block in readme.code_blocks(self.document.read_text(), "yaml") if "kind: Kustomization" in block]
        for folder, overlay in zip(("FOLDER", "KYVERNO_FOLDER"), overlays):
            (self.root / folder).mkdir()
            (self.root / folder / "kustomization.yaml").write_text(overlay)
        programs = self.home / "bin"
        programs.mkdir()
        (programs / "credvend").symlink_to(self.credvend)
        fake = shlex.join([sys.executable, "-B", str(rendered.HERE / "fake_kubectl.py")])
        (programs / "kubectl").write_text(f'#!/bin/sh\nexec {fake} "$@"\n')
        (programs / "kubectl").chmod(0o755)
        self.environment = {"PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", "HOME": str(self.home)}

    def start_sidecar(self):
        """Starts credvend with the environment that sidecar/sidecar.yaml gives it, on free ports."""
        (pod,) = [pod for _, _, pod in rendered.workloads({"sidecar": self.stories["sidecar"]})]
        (container,) = [container for container in rendered.containers_of(pod) if rendered.is_credvend(container)]
        (self.home / "shared").mkdir()
        listen, admin = free_addresses()
        self.in_container = {
            **{variable["name"]: variable["value"] for variable in container["env"]},
            "AWS_ENDPOINT_URL_STS": (self.home / "sts/url").read_text(),
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(self.home / "sts/token/token"),
            "CREDVEND_AUTH_TOKEN_FILE": str(self.home / "shared/authorization-token"),
            "CREDVEND_LISTEN": listen,
            "CREDVEND_ADMIN_LISTEN": admin,
        }
        self.sidecar = subprocess.Popen([self.credvend, *container["args"]], env=self.in_container, stderr=subprocess.DEVNULL)
        sts.wait_until_ready(self.credvend, self.in_container)
        settings = {
            "kubectl": self.kubectl,
            "credvend": str(self.credvend),
            "environment": self.in_container,
            "application": {
                **{variable["name"]: variable["value"] for variable in pod["containers"][0]["env"]},
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{listen}/v1/credentials",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": self.in_container["CREDVEND_AUTH_TOKEN_FILE"],
            },
            "token": (self.home / "sts/token/token").read_text(),
        }
        (self.home / "settings.json").write_text(json.dumps(settings))
        self.environment["FAKE_KUBECTL"] = str(self.home / "settings.json")

    def run(self, command):
        """Runs a command. Returns the faults of its result, and the notes of fake_kubectl.py."""
        words = shlex.split(command)
        environment = self.environment
        if words[0] == "/credvend" or words in (["credvend", "check"], ["credvend", "trust-policy"]):
            # Inline code: the command as it runs in the container.
            command, environment = shlex.join(["credvend", *words[1:]]), {**self.environment, **self.in_container}
        elif words[0] == "kubectl" and len(words) == 2:
            # Inline code that only names a subcommand.
            return self.syntax(command, command), []
        bash = ["bash", "-euo", "pipefail", "-c", command]
        done = subprocess.run(bash, cwd=self.root, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            return [f"exit code {done.returncode}: {done.stdout}{done.stderr}"], []
        prefixes = {prefix for prefix in self.results if command.startswith(prefix)}
        self.ran |= prefixes
        notes = [line for line in done.stderr.splitlines() if line.startswith(fake_kubectl.NOTE)]
        return [fault for prefix in prefixes for fault in self.results[prefix](self, done.stdout)], notes

    def syntax(self, prefix, command):
        """Returns the flags of a command that are not in its help. The command itself does not run."""
        flags = {word.partition("=")[0] for word in shlex.split(command) if word.startswith("-")}
        if command.startswith("kubectl "):
            done = subprocess.run([self.kubectl, *prefix.split()[1:3], "--help"], capture_output=True, text=True)
            known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", done.stdout)) | GLOBAL_FLAGS
            faults = [] if done.returncode == 0 else [f"kubectl has no such command: {done.stderr}"]
        elif (rendered.ROOT / prefix).is_file():
            known, faults = set(re.findall(r"--[a-z][\w-]*", (rendered.ROOT / prefix).read_text())), []
        else:
            known, faults = flags, []
        return faults + [f"unknown flag {flag}" for flag in sorted(flags - known)]


def free_addresses():
    with socket.socket() as one, socket.socket() as other:
        for free in (one, other):
            free.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{free.getsockname()[1]}" for free in (one, other)]


# Expected results, by the first words of a command. Each function yields what is wrong.


def image_is_replaced(scratch, _):
    text = (scratch.root / "sidecar.yaml").read_text()
    if "REGISTRY/credvend:" not in text or "registry.example/credvend:" in text:
        yield "sidecar.yaml does not name the image in REGISTRY"


def token_is_private(scratch, _):
    mode = (scratch.root / "token").stat().st_mode & 0o777
    if mode != 0o600:
        yield f"the token file has mode {mode:o}"


def policies_are_printed(_, output):
    for wanted in ("create-open-id-connect-provider", "account-a-role-trust.json", "account-b-role-trust.json"):
        if wanted not in output:
            yield f"{wanted} is missing in: {output}"


def every_hop_is_ok(_, output):
    if "ok    hop 2" not in output or "fail  " in output:
        yield output


def status_is_as_shown(scratch, output):
    """The README shows the output of `status`; times and the width of their columns differ."""
    (shown,) = readme.code_blocks(readme.section(scratch.document.read_text(), "## Deploy a workload"), "text")
    if cells(output) != cells(shown):
        yield f"printed:\n{output}"


def cells(output):
    duration = re.compile(r"in (\d+h )?(\d+m )?(\d+s)?")
    return [[duration.sub("in …", cell) for cell in re.split(r"  +", line)] for line in output.splitlines()]


def credvend_is_explained(_, output):
    if "boto3, AWS CLI    yes" not in output:
        yield output


def overlay_sets_defaults(_, output):
    policies = [document for document in yaml.safe_load_all(output) if document and document["kind"].endswith("Policy")]
    defaults = [policy["spec"]["variables"][0]["expression"] for policy in policies if policy["spec"]["variables"][0]["name"] == "defaults"]
    if len(defaults) != 2 or any(json.loads(value).keys() != {"image", "region"} for value in defaults):
        yield f"the overlay does not set image and region in both policies: {defaults}"


def namespace_has_settings(_, output):
    annotations = yaml.safe_load(output)["metadata"]["annotations"]
    text = (rendered.K8S / "admission/policy.yaml").read_text()
    keys = [key.removeprefix("credvend.dev/") for key in annotations]
    unknown = [key for key in keys if f'"{key}": ' not in text]
    if len(keys) != 2 or unknown:
        yield f"these are not settings of a namespace: {annotations}"


RESULTS = {
    readme.MANUAL: {
        "sed -i ": image_is_replaced,
        "(umask 077; kubectl -n shop create token ": token_is_private,
        "credvend trust-policy --web-identity-token-file": policies_are_printed,
        "kubectl exec -n shop deploy/checkout -c credvend -- /credvend check": every_hop_is_ok,
        "kubectl exec -n shop deploy/checkout -c credvend -- /credvend status": status_is_as_shown,
        "kubectl debug -n shop -it POD": credvend_is_explained,
    },
    readme.ADMISSION: {
        "kubectl apply -k FOLDER": overlay_sets_defaults,
        "kubectl apply -k KYVERNO_FOLDER": overlay_sets_defaults,
        "kubectl annotate namespace shop": namespace_has_settings,
    },
}
