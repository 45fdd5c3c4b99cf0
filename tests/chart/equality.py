"""Checks that the objects of the chart are those of k8s/: the policies are those that kustomize renders with the same defaults."""

import json
import re
import subprocess

import readme
import rendered
import yaml

DEFAULTS = {
    "image": "registry.example/credvend:1.2.3", "region": "eu-central-1", "token-expiration": "7200", "session-tags": "pod, team=a b",
    "audience": "sts.amazonaws.com", "authorization": "required", "credentials-file": "true", "port": "9911", "admin-port": "9912",
    "resources": "cpu=50m,memory=32Mi", "sts-endpoint-url": "https://sts.example.com/a$1&b<c>",
}
VALUES = {
    "image": {"tag": "1.2.3"},
    "defaults": {
        **{key: value for key, value in DEFAULTS.items() if key != "image"},
        "token-expiration": 7200, "credentials-file": True, "port": 9911, "admin-port": 9912,
    },
}
ENGINES = {"admission": rendered.ADMISSION, "kyverno": rendered.KYVERNO}


def check(checks, helm, required):
    others(checks, helm)
    policies(checks, helm, required)


def others(checks, helm):
    """The rules, the dashboard and the NetworkPolicy."""
    rules = yaml.safe_load((rendered.K8S / "alerts.yaml").read_text())
    dashboard = json.loads((rendered.K8S / "dashboard.json").read_text())
    story = list(yaml.safe_load_all((rendered.K8S / "namespace" / "namespace.yaml").read_text()))
    for kind in ("PrometheusRule", "ConfigMap"):
        values = {
            "injection": {"enabled": False}, "namespaces": [{"name": "shop"}],
            "alerts": {"enabled": True, "kind": kind}, "dashboard": {"enabled": True},
        }
        done = helm.template(values, ["prometheus"])
        objects = {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(done.stdout) if item}
        alerts = objects.get((kind, "credvend-alerts"), {})
        found = alerts.get("spec") if kind == "PrometheusRule" else yaml.safe_load(alerts.get("data", {}).get("credvend.yaml", ""))
        checks.that(found == rules, f"{kind}: the rules are those of k8s/alerts.yaml", done.stderr)
    found = objects.get(("ConfigMap", "credvend-dashboard"), {}).get("data", {}).get("credvend.json", "null")
    checks.that(json.loads(found) == dashboard, "the dashboard is k8s/dashboard.json")
    for want in story:
        found = objects.get((want["kind"], want["metadata"]["name"]), {})
        labels = want["metadata"].get("labels", {}).items() <= found.get("metadata", {}).get("labels", {}).items()
        checks.that(labels and found.get("spec") == want.get("spec"), f"the {want['kind']} is that of k8s/namespace")


def policies(checks, helm, required):
    command = rendered.renderer()
    if command is None:
        print("chart: NOT COMPARED with kustomize: kubectl 1.27 or kustomize 5 (or later) is missing")
        checks.that(not required, "kubectl or kustomize is available to render the policies")
        return
    overlays = [block for block in readme.code_blocks(readme.ADMISSION.read_text(), "yaml") if "kind: Kustomization" in block]
    for (engine, folder), overlay in zip(ENGINES.items(), overlays, strict=True):
        done = helm.template({**VALUES, "injection": {"engine": engine}}, [engine])
        checks.that(done.returncode == 0, f"{engine}: the chart renders", done.stderr)
        got = by_name(done.stdout)
        want = by_name(kustomize(command, helm.scratch / f"overlay-{engine}", folder, overlay))
        checks.that(len(want) > 2 and got.keys() == want.keys(), f"{engine}: the objects are those of kustomize", f"{[*got]}, {[*want]}")
        for name, document in want.items():
            checks.that(got.get(name) == document, f"{engine}: {name} equals that of kustomize")


def kustomize(command, scratch, folder, overlay):
    """Renders the overlay of the README with DEFAULTS."""
    scratch.mkdir()
    (scratch / folder.name).symlink_to(folder)
    document = yaml.safe_load(overlay)
    document["resources"] = [folder.name]
    patch = yaml.safe_load(document["patches"][0]["patch"])
    patch[1]["value"] = json.dumps(DEFAULTS)
    document["patches"][0]["patch"] = json.dumps(patch)
    (scratch / "kustomization.yaml").write_text(yaml.safe_dump(document))
    done = subprocess.run([*command, str(scratch)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"chart: {done.stderr}")
    return done.stdout


def by_name(text):
    """Returns the objects by kind and name, with the defaults as an object.

    kustomize writes a folded scalar with a second newline after its first line, which changes no expression: repeated newlines count as one.
    """
    found = {}
    for document in yaml.safe_load_all(text):
        if not document:
            continue
        for variable in document["spec"].get("variables", []):
            if variable["name"] == "defaults":
                variable["expression"] = json.loads(variable["expression"])
        found[f"{document['kind']} {document['metadata']['name']}"] = without_blank_lines(document)
    return found


def without_blank_lines(value):
    if isinstance(value, dict):
        return {key: without_blank_lines(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_blank_lines(item) for item in value]
    return re.sub(r"\n+", "\n", value) if isinstance(value, str) else value
