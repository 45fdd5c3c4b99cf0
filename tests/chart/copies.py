"""Checks that the chart contains the current policies, alerts and dashboard: a chart can only read files of its own folder."""

from rendered import K8S

CHART = K8S / "chart"
SOURCES = [
    *(f"admission/{name}.yaml" for name in ("policy", "validation", "advice", "bindings")),
    *(f"kyverno/{name}.yaml" for name in ("policy", "validation", "advice")),
    "alerts.yaml",
    "dashboard.json",
]


def check(checks, update):
    """Compares each copy with its source, or writes it."""
    for name in SOURCES:
        source, copy = K8S / name, CHART / "files" / name
        if update:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(source.read_bytes())
        same = copy.exists() and copy.read_bytes() == source.read_bytes()
        checks.that(same, f"k8s/chart/files/{name} equals k8s/{name}", "run tests/chart/run --update")
    found = {str(file.relative_to(CHART / "files")) for file in (CHART / "files").rglob("*") if file.is_file()}
    stale = found - {*SOURCES}
    checks.that(not stale, "every file in k8s/chart/files has a source", ", ".join(sorted(stale)))
