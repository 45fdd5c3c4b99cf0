"""Runs Helm without the settings of its user."""

import os
import subprocess
import tempfile
from pathlib import Path

import yaml

from copies import CHART

# What a cluster has, by a short name.
APIS = {
    "admission": ["admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"],
    "kyverno": ["policies.kyverno.io/v1/MutatingPolicy", "policies.kyverno.io/v1/ValidatingPolicy"],
    "kyverno-1.15": ["policies.kyverno.io/v1alpha1/MutatingPolicy", "policies.kyverno.io/v1alpha1/ValidatingPolicy"],
    "prometheus": ["monitoring.coreos.com/v1/PrometheusRule"],
}


class Helm:
    """A context with a scratch directory."""

    def __init__(self, program):
        self.program = program

    def __enter__(self):
        self._scratch = tempfile.TemporaryDirectory()
        self.scratch = Path(self._scratch.name)
        return self

    def __exit__(self, *_):
        self._scratch.cleanup()

    def run(self, *arguments):
        environment = {**os.environ, "HOME": str(self.scratch), "KUBECONFIG": os.devnull}
        for name in [name for name in environment if name.startswith(("HELM_", "XDG_"))]:
            del environment[name]
        return subprocess.run([self.program, *map(str, arguments)], env=environment, capture_output=True, text=True, check=False)

    def template(self, values, apis, chart=CHART, kubernetes="1.36.0"):
        """Renders the chart for a cluster that has the APIs of these short names."""
        flags = [flag for name in apis for api in APIS[name] for flag in ("--api-versions", api)]
        command = ["template", "credvend", chart, "--namespace", "credvend", "--values", self.write(values), "--kube-version", kubernetes]
        return self.run(*command, *flags)

    def lint(self, values):
        """Checks the chart. Helm ignores calls of `fail` here."""
        return self.run("lint", "--strict", CHART, "--values", self.write(values))

    def write(self, values):
        file = self.scratch / "values.yaml"
        file.write_text(yaml.safe_dump(values))
        return file
