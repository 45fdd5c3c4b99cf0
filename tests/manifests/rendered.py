"""Renders the folders of k8s/ and compares them with golden files."""

import difflib
import re
import shutil
import subprocess
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
K8S = ROOT / "k8s"
GOLDEN = HERE / "golden"
# tests/admission has the tests of these folders.
ADMISSION = K8S / "admission"
KYVERNO = K8S / "kyverno"


def folders():
    """Returns the folders that can be applied, by name: those with a Kustomization rather than a Component."""
    found = {}
    for file in sorted(K8S.rglob("kustomization.yaml")):
        if {ADMISSION, KYVERNO} & {*file.parents} or yaml.safe_load(file.read_text())["kind"] == "Component":
            continue
        found["-".join(file.parent.relative_to(K8S).parts)] = file.parent
    return found


def renderer():
    """Returns a command that renders a folder with kustomize 5 or later, or None."""
    for command, version in [
        (["kubectl", "kustomize"], ["kubectl", "version", "--client"]),
        (["kustomize", "build"], ["kustomize", "version"]),
    ]:
        if not shutil.which(command[0]):
            continue
        output = subprocess.run(version, capture_output=True, text=True).stdout
        match = re.search(r"(?:Kustomize Version: |^)v(\d+)\.", output, re.MULTILINE)
        if match and int(match[1]) >= 5:
            return command
    return None


def compare(checks, required, update):
    """Renders every folder and compares it with its golden file. Returns the documents of the golden files by folder."""
    command = renderer()
    names = folders()
    checks.that(len(names) > 10, f"{len(names)} folders of k8s/ can be applied")
    if command is None:
        print("manifests: NOT RENDERED: kubectl 1.27 or kustomize 5 (or later) is missing; only the golden files are checked")
        checks.that(not required, "kubectl or kustomize is available to render the folders")
    else:
        for name, folder in names.items():
            golden = GOLDEN / f"{name}.yaml"
            done = subprocess.run([*command, str(folder)], capture_output=True, text=True)
            if done.returncode:
                checks.that(False, f"{name}: renders", done.stderr.strip())
                continue
            if update:
                golden.write_text(done.stdout)
            before = golden.read_text() if golden.exists() else ""
            diff = difflib.unified_diff(before.splitlines(), done.stdout.splitlines(), "golden", "rendered", lineterm="")
            checks.that(before == done.stdout, f"{name}: equals its golden file", "\n".join(diff))
    stale = {file.stem for file in GOLDEN.glob("*.yaml")} - names.keys()
    checks.that(not stale, "every golden file has a folder", ", ".join(sorted(stale)))
    return {name: documents(GOLDEN / f"{name}.yaml") for name in names if (GOLDEN / f"{name}.yaml").exists()}


def documents(file):
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


def pod_of(document):
    """Returns the pod spec of a workload, or None for other documents."""
    spec = document.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    if document["kind"] == "Pod":
        return spec
    return spec.get("template", {}).get("spec")


def workloads(stories):
    """Yields folder, document and pod spec of every workload."""
    for name, contents in stories.items():
        for document in contents:
            pod = pod_of(document)
            if pod is not None:
                yield name, document, pod


def containers_of(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def is_credvend(container):
    return container["image"].split(":")[0].endswith("/credvend")
