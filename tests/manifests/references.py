"""Checks what k8s/ refers to: image versions, links, stories, and the reference tables of its READMEs."""

import re
import subprocess
import tomllib

import yaml

import readme
import rendered

IMAGE = re.compile(r"(?:registry\.example/(?:mirror/)?|REGISTRY/)credvend:([^\s\"',]+)")
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")


def check(checks, stories, credvend):
    manual = readme.MANUAL.read_text()
    images(checks, stories)
    for document in (readme.MANUAL, readme.ADMISSION):
        links(checks, document)
    every_story_is_linked(checks, manual)
    excerpt(checks, manual, stories)
    files(checks, manual, stories)
    component_parameters(checks, manual)
    alerts(checks, manual)
    variables(checks, credvend)


def images(checks, stories):
    """Every image of credvend has the version of this tree, and every image has a tag."""
    version = tomllib.loads((rendered.ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    tagged = 0
    files = [file for top in (rendered.K8S, rendered.GOLDEN) for file in sorted(top.rglob("*")) if file.is_file()]
    for file in [*files, rendered.ROOT / "README.md"]:
        tags = set(IMAGE.findall(file.read_text()))
        tagged += bool(tags)
        if tags - {version}:
            checks.that(False, f"{file.relative_to(rendered.ROOT)}: the image has version {version}", str(tags))
    checks.that(tagged > 20, f"{tagged} files name the image")

    for name, document, pod in rendered.workloads(stories):
        untagged = [c["name"] for c in rendered.containers_of(pod) if ":" not in c["image"]]
        checks.that(not untagged, f"{name}: every image in {document['metadata']['name']} has a tag", ", ".join(untagged))


def links(checks, document):
    """Every relative link leads to a file, and its fragment to a heading in it."""
    name = document.relative_to(rendered.ROOT)
    found = LINK.findall(document.read_text())
    broken = []
    for path, fragment in found:
        target = document.parent / path if path else document
        if not target.exists() or (fragment and fragment not in anchors(target.read_text())):
            broken.append(f"{path}#{fragment}" if fragment else path)
    checks.that(found and not broken, f"the {len(found)} links of {name} have a target", ", ".join(broken))


def anchors(text):
    """Returns the fragments under which GitHub links the headings of a document."""
    headings = re.findall(r"(?m)^#+ (.+)$", readme.BLOCK.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def every_story_is_linked(checks, manual):
    folders = {name: folder for name, folder in rendered.folders().items() if not name.startswith("component-examples")}
    unlinked = [name for name, folder in folders.items() if f"]({folder.relative_to(rendered.K8S)}" not in manual]
    checks.that(not unlinked, "k8s/README.md links every story", ", ".join(unlinked))


def excerpt(checks, manual, stories):
    """The first manifest of the README is part of the pod in sidecar/sidecar.yaml."""
    shown = yaml.safe_load(readme.code_blocks(manual, "yaml")[0])
    pods = [pod for _, _, pod in rendered.workloads({"sidecar": stories["sidecar"]})]
    checks.that(contains(pods[0], shown), "the manifest in k8s/README.md is an excerpt of sidecar/sidecar.yaml", str(shown))


def contains(whole, part):
    """Returns whether `whole` has every field and list item of `part`."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and contains(whole[name], part[name]) for name in part)
    if isinstance(part, list):
        return isinstance(whole, list) and all(any(contains(item, wanted) for item in whole) for wanted in part)
    return whole == part


def files(checks, manual, stories):
    """The table of files names the stories that mount or set each path."""
    with_pods = {name for name, _, _ in rendered.workloads(stories) if not name.startswith("component-examples")}
    for row in readme.table(manual, "### Files"):
        path = row["Path"].strip("`")
        listed = with_pods if row["Stories"] == "all" else set(row["Stories"].split(", "))
        users = {name for name in with_pods if uses(stories[name], path)}
        checks.that(users == listed, f"file {path}: stories {row['Stories']}", f"used by {', '.join(sorted(users))}")


def uses(documents, path):
    """Returns whether a field of these documents is the path, or is the directory that holds it as a mount."""
    directory = path.rpartition("/")[0]

    def search(value, key=None):
        if isinstance(value, dict):
            return any(search(item, name) for name, item in value.items())
        if isinstance(value, list):
            return any(search(item, key) for item in value)
        return value == path or (key == "mountPath" and value == directory and path.count("/") > 2)

    return any(search(document) for document in documents)


def component_parameters(checks, manual):
    """The table lists the keys that the component's replacements read and that the examples set."""
    listed = {row["Key"].strip("`") for row in readme.table(manual, "### Parameters of the component")}
    files = [*rendered.K8S.glob("component/**/*.yaml")]
    read = {key for file in files for key in re.findall(r"fieldPath: data\.([\w-]+)", file.read_text())}
    checks.that(listed == read, "k8s/README.md lists the parameters of the component", f"{listed} and {read}")
    for file in sorted(rendered.K8S.glob("component-examples/*/credvend.yaml")):
        keys = yaml.safe_load(file.read_text())["data"].keys()
        checks.that(keys == listed, f"{file.parent.name}: the example sets every parameter", str(sorted(keys)))


def alerts(checks, manual):
    """The table lists the alerts and their severities."""
    listed = {row["Alert"].strip("`"): row["Severity"] for row in readme.table(manual, "### Alerts")}
    groups = yaml.safe_load((rendered.K8S / "alerts.yaml").read_text())["groups"]
    defined = {rule["alert"]: rule["labels"]["severity"] for group in groups for rule in group["rules"]}
    checks.that(listed == defined, "k8s/README.md lists the alerts", f"{listed} and {defined}")


def variables(checks, credvend):
    """Every CREDVEND_ variable in k8s/ is in the help of the binary."""
    commands = ("run", "export", "check")
    help_text = "".join(subprocess.run([credvend, name, "--help"], capture_output=True, text=True).stdout for name in commands)
    texts = [file.read_text() for pattern in ("*.md", "*.yaml") for file in rendered.K8S.rglob(pattern)]
    named = {name for text in texts for name in re.findall(r"CREDVEND_[A-Z_]+", text)}
    unknown = {name for name in named if not re.search(rf"\b{name}\b", help_text)}
    checks.that(named and not unknown, f"the {len(named)} variables in k8s/ exist", ", ".join(sorted(unknown)))
