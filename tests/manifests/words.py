"""What is written in k8s/: versions, links, the overlay for the policies, and that each story is told."""

import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

import yaml

import rendered

IMAGE = re.compile(r"(?:registry\.example/(?:mirror/)?|REGISTRY/)credvend:([^\s\"',]+)")


def check(checks, stories):
    version = tomllib.loads((rendered.ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    tagged = 0
    files = [file for top in (rendered.K8S, rendered.GOLDEN) for file in sorted(top.rglob("*")) if file.is_file()]
    for file in [*files, rendered.ROOT / "README.md"]:
        tags = set(IMAGE.findall(file.read_text()))
        tagged += bool(tags)
        if tags - {version}:
            checks.that(False, f"{file.relative_to(rendered.ROOT)}: the image is of version {version}", str(tags))
    checks.that(tagged > 20, f"{tagged} files name the image")

    for name, document, pod in rendered.workloads(stories):
        loose = [c["name"] for c in rendered.containers_of(pod) if ":" not in c["image"]]
        checks.that(not loose, f"{name}: {document['metadata']['name']} names a tag of every image", ", ".join(loose))

    manual = (rendered.K8S / "README.md").read_text()
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", manual)
    gone = [link for link in links if not (rendered.K8S / link).exists()]
    checks.that(links and not gone, f"the {len(links)} links of k8s/README.md lead somewhere", ", ".join(gone))
    untold = [name for name, folder in rendered.folders().items() if f"]({folder.relative_to(rendered.K8S)}" not in manual]
    untold = [name for name in untold if not name.startswith("component-examples")]
    checks.that(not untold, "k8s/README.md links every story", ", ".join(untold))

    overlay(checks)


def overlay(checks):
    """What k8s/admission/README.md has people write sets the image and the region of injected pods."""
    command = rendered.renderer()
    text = (rendered.ELSEWHERE / "README.md").read_text().partition("```yaml\n")[2].partition("```")[0]
    if command is None:
        return
    # kustomize takes no folder by an absolute path.
    with tempfile.TemporaryDirectory(prefix="overlay-") as scratch:
        (Path(scratch) / "k8s").symlink_to(rendered.K8S)
        folder = Path(scratch) / "credvend"
        folder.mkdir()
        (folder / "kustomization.yaml").write_text(text)
        done = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    documents = [document for document in yaml.safe_load_all(done.stdout) if document]
    parameters = [document["data"] for document in documents if document["kind"] == "ConfigMap"]
    asked = dict(re.findall(r"path: /data/(\w+), value: (\S+) ", text))
    checks.that(asked.keys() == {"image", "region"} and any(asked.items() <= data.items() for data in parameters), "the overlay of k8s/admission/README.md sets image and region", done.stderr)
