"""Runs `helm lint` and `helm template` for the values of cases.yaml, and compares the results with golden files."""

import difflib
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import yaml

import readme
from copies import CHART
from rendered import ROOT

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"


def check(checks, helm, update):
    with_notes = chart_with_notes(helm)
    cases = yaml.safe_load((HERE / "cases.yaml").read_text())
    for name, case in cases.items():
        values, apis = case.get("values", {}), case.get("apis", ["admission"])
        done = helm.template(values, apis, kubernetes=case.get("kubernetes", "1.36.0"))
        if "refused" in case:
            message = done.stderr if done.returncode else "the chart accepts the values"
            checks.that(case["refused"] in message, f"{name}: is refused: {case['refused']}", message)
            continue
        if done.returncode:
            checks.that(False, f"{name}: renders", done.stderr)
            continue
        lint = helm.lint(values)
        checks.that(lint.returncode == 0, f"{name}: helm lint --strict", lint.stdout + lint.stderr)
        notes = helm.template(values, apis, with_notes, case.get("kubernetes", "1.36.0"))
        compare(checks, f"{name}.yaml", brief(done.stdout), update)
        compare(checks, f"{name}.txt", "".join(notes_of(notes.stdout)), update)
    rendered = {f"{name}.{end}" for name, case in cases.items() if "refused" not in case for end in ("yaml", "txt")}
    package(checks, helm)
    readme_example(checks, helm)
    stale = {file.name for file in GOLDEN.iterdir()} - rendered
    checks.that(not stale, "every golden file has a case", ", ".join(sorted(stale)))


def package(checks, helm):
    """The archive of a release renders the policies with the released image."""
    command = [ROOT / ".ci/package-chart", helm.program, "registry.test/tools/credvend", helm.scratch]
    archive = subprocess.run(command, capture_output=True, text=True, check=False)
    done = helm.template({}, ["admission"], archive.stdout.strip())
    version = tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    expected = f'"image":"registry.test/tools/credvend:{version}"'
    checks.that(done.stdout.count(expected) == 2, "the archive of a release names the released image", archive.stderr + done.stderr)
    checks.that(f"credvend-{version}.tgz" in archive.stdout, f"the version of the chart is {version}", archive.stdout)


def readme_example(checks, helm):
    """The values that k8s/README.md shows are valid, and each name of a value in its text exists."""
    section = readme.section(readme.MANUAL.read_text(), "## Install with Helm")
    (example,) = readme.code_blocks(section, "yaml")
    values = yaml.safe_load(example.replace("REGISTRY/", "registry.test/"))
    done = helm.template(values, ["admission", "prometheus"])
    checks.that(done.returncode == 0, "the values in k8s/README.md are valid", done.stderr)
    known = yaml.safe_load((CHART / "values.yaml").read_text())
    names = re.findall(r"`(?:[^`]* )?([a-zA-Z]+)\.([a-zA-Z-]+)(?:[:=][^`]*)?`", section)
    unknown = [f"{first}.{second}" for first, second in names if second not in known.get(first, {})]
    checks.that(names and not unknown, "the values that k8s/README.md names exist", ", ".join(unknown))


def compare(checks, name, text, update):
    golden = GOLDEN / name
    if update:
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(text)
    before = golden.read_text() if golden.exists() else ""
    diff = difflib.unified_diff(before.splitlines(), text.splitlines(), "golden", "rendered", lineterm="")
    checks.that(text and before == text, f"{name}: equals its golden file", "\n".join(diff))


def brief(text):
    """Shortens the policies, the rules and the dashboard, which other tests cover, to what the values change."""
    documents = [document for document in yaml.safe_load_all(text) if document]
    for document in documents:
        spec = document.get("spec", {})
        if "variables" in spec:
            for constraints in ("matchConstraints", "matchConditions"):
                spec.pop(constraints, None)
            spec["variables"] = [variable for variable in spec["variables"] if variable["name"] == "defaults"]
            for lists in ("mutations", "validations"):
                if lists in spec:
                    spec[lists] = f"{len(spec[lists])} items"
        if "groups" in spec:
            spec["groups"] = [f"{group['name']}: {len(group['rules'])} rules" for group in spec["groups"]]
        for key, content in document.get("data", {}).items():
            document["data"][key] = f"{len(yaml.safe_load(content))} keys"
    return yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=1000)


def chart_with_notes(helm):
    """Returns a copy of the chart that renders its notes as an object: `helm template` does not print them."""
    copy = helm.scratch / "notes" / "credvend"
    shutil.copytree(CHART, copy)
    notes = copy / "templates" / "NOTES.txt"
    (copy / "templates" / "_notes.tpl").write_text('{{ define "notes" }}' + notes.read_text() + "{{ end }}")
    (copy / "templates" / "notes.yaml").write_text('kind: Notes\ntext: {{ include "notes" . | toJson }}\n')
    notes.unlink()
    return copy


def notes_of(text):
    return [document["text"] for document in yaml.safe_load_all(text) if document and document["kind"] == "Notes"]
