"""k8s/admission in the cluster, installed as its README says, and a namespace for pods that it injects."""

import os
import re
import textwrap

import rendered
from stage.story import APPLYING

LABEL = "credvend.dev/inject"
ANNOTATION = "credvend.dev/role-arn"
ROLE = "arn:aws:iam::111111111111:role/checkout"
METADATA = {"labels": {LABEL: "true"}, "annotations": {ANNOTATION: ROLE}}


class Injection:
    """A context: applies the overlay of k8s/admission/README.md and waits until it is in effect."""

    def __init__(self, cluster, labels=None):
        self.cluster = cluster
        self._labels = labels or {}
        self.namespace = f"injected-{cluster.number()}"
        self.folder = cluster.directory(f"overlay-{cluster.number()}")
        (self.folder / "kustomization.yaml").write_text(overlay(self.folder))

    def __enter__(self):
        metadata = {"name": self.namespace, "labels": self._labels}
        self.cluster.kubectl("apply", "--filename", "-", document={"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        self.apply()
        self.wait()
        return self

    def apply(self):
        with APPLYING:
            self.cluster.kubectl("apply", "--kustomize", self.folder)

    def delete(self):
        self.cluster.kubectl("delete", "--kustomize", self.folder, "--ignore-not-found", "--timeout=120s")

    def wait(self, seconds=30):
        self.cluster.wait_for_policy({"metadata": METADATA}, "credvend-token", self.namespace, seconds)

    def __exit__(self, *_):
        self.cluster.delete_namespace(self.namespace)


def overlay(folder):
    """Returns the example of the README, for a folder at another place."""
    text = (rendered.ADMISSION / "README.md").read_text()
    blocks = re.findall(r"^( *)```yaml\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    example = next(textwrap.dedent(block) for _, block in blocks if "kind: Kustomization" in block)
    return example.replace("../k8s/admission", os.path.relpath(rendered.ADMISSION, folder))
