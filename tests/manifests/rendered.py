"""What kubectl makes of each folder, and the golden files that it is compared with."""

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
# Has golden files and a test of its own.
ELSEWHERE = K8S / "admission"


def folders():
    """Every folder that can be applied: with a Kustomization, and not only with a Component."""
    found = {}
    for file in sorted(K8S.rglob("kustomization.yaml")):
        if ELSEWHERE in file.parents or yaml.safe_load(file.read_text())["kind"] == "Component":
            continue
        found["-".join(file.parent.relative_to(K8S).parts)] = file.parent
    return found


def renderer():
    """A command that renders a folder as kustomize 5 does, or None."""
    for command, version in [
        (["kubectl", "kustomize"], ["kubectl", "version", "--client"]),
        (["kustomize", "build"], ["kustomize", "version"]),
    ]:
        if not shutil.which(command[0]):
            continue
        said = subprocess.run(version, capture_output=True, text=True).stdout
        match = re.search(r"(?:Kustomize Version: |^)v(\d+)\.", said, re.MULTILINE)
        if match and int(match[1]) >= 5:
            return command
    return None


def compare(checks, required, update):
    """Renders every folder; returns each folder's documents, of the golden file where nothing renders."""
    command = renderer()
    names = folders()
    checks.that(len(names) > 10, f"{len(names)} folders of k8s/ can be applied")
    if command is None:
        print("manifests: NOT RENDERED: kubectl 1.27 or kustomize 5 (or later) is missing; the golden files are taken instead")
        checks.that(not required, "there is a kubectl or kustomize to render with")
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
            checks.that(before == done.stdout, f"{name}: renders as its golden file", "\n".join(diff))
    stale = {file.stem for file in GOLDEN.glob("*.yaml")} - names.keys()
    checks.that(not stale, "each golden file has its folder", ", ".join(sorted(stale)))
    return {name: documents(GOLDEN / f"{name}.yaml") for name in names if (GOLDEN / f"{name}.yaml").exists()}


def documents(file):
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


def pod_of(document):
    """The pod's spec in a workload, or None."""
    spec = document.get("spec", {})
    spec = spec.get("jobTemplate", {}).get("spec", spec)
    if document["kind"] == "Pod":
        return spec
    return spec.get("template", {}).get("spec")


def workloads(stories):
    """(folder, document, pod's spec) of every workload."""
    for name, all_of_it in stories.items():
        for document in all_of_it:
            pod = pod_of(document)
            if pod is not None:
                yield name, document, pod


def containers_of(pod):
    return [*pod.get("initContainers", []), *pod["containers"]]


def is_credvend(container):
    return container["image"].split(":")[0].endswith("/credvend")
