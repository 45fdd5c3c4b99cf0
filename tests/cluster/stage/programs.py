"""Builds the programs of the cluster from Go modules, once for each version.

`modules/NAME.sum` pins a program: its first line is the module with its version and hash, and the other lines are the hashes that the
module's own go.sum lacks. Together with that go.sum, which the first hash covers, they pin every file of every module, so the build
needs no checksum database. `pin.py` writes these files.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from stage import cache

MODULES = Path(__file__).resolve().parent.parent / "modules"
DEFAULT = "1.36"
# `go build` names its own module in the binaries.
MODULE = "credvend.test/cluster"


@dataclass
class Program:
    """A module with the commands that the cluster uses of it."""

    pins: Path
    packages: list
    tags: str = ""

    def read_pins(self):
        """Returns the module, its version, and the lines of the file."""
        lines = self.pins.read_text().splitlines()
        module, version, _ = lines[0].split()
        return module, version, lines

    @property
    def version(self):
        return self.read_pins()[1].removeprefix("v")

    def import_paths(self):
        module, _, _ = self.read_pins()
        return [f"{module}/{package}".rstrip("/") for package in self.packages]

    def tag_flags(self):
        return [f"-tags={self.tags}"] if self.tags else []

    def commands(self):
        return [package.rpartition("/")[2] if package else "etcd" for package in self.packages]


def programs(kubernetes=DEFAULT):
    """Returns the programs of a cluster with a minor version of Kubernetes."""
    pins = MODULES / f"kubernetes-{kubernetes}.sum"
    if not pins.exists():
        known = ", ".join(sorted(path.stem.removeprefix("kubernetes-") for path in MODULES.glob("kubernetes-*.sum")))
        raise SystemExit(f"cluster: no pinned Kubernetes {kubernetes}; pinned are {known}")
    components = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"]
    return [
        Program(MODULES / "etcd.sum", [""]),
        Program(
            MODULES / "containerd.sum", ["cmd/containerd", "cmd/containerd-shim-runc-v2", "cmd/ctr"], tags="no_btrfs,no_zfs,no_devmapper",
        ),
        Program(pins, [f"cmd/{component}" for component in components]),
    ]


def build_all(kubernetes):
    """Builds what is missing. Returns the directories of the programs."""
    with cache.locked():
        return [build_once(program) for program in programs(kubernetes)]


def build_once(program):
    module, version, _ = program.read_pins()
    name = program.pins.stem.partition("-")[0]
    place = cache.directory() / f"{name}-{program.version}"
    key = hashlib.sha256(program.pins.read_bytes() + Path(__file__).read_bytes()).hexdigest()
    if (place / "recipe").exists() and (place / "recipe").read_text() == key:
        return place
    print(f"cluster: building {module} {version}", flush=True)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=cache.directory(), prefix=f"{name}-") as scratch:
        source = Path(scratch) / "source"
        source.mkdir()
        write_module(program, source)
        result = Path(scratch) / "result"
        go_build(program, source, result)
        (result / "recipe").write_text(key)
        shutil.rmtree(place, ignore_errors=True)
        result.rename(place)
    print(f"cluster: built {', '.join(program.commands())} in {time.monotonic() - began:.0f} s", flush=True)
    return place


def write_module(program, source):
    """Writes a module that requires the program's module at the versions that this module itself selects."""
    module, version, pins = program.read_pins()
    (source / "go.mod").write_text(f"module {MODULE}\n")
    (source / "go.sum").write_text("".join(f"{line}\n" for line in pins))
    # Inside a module, the download is checked against its go.sum.
    downloaded = json.loads(go(source, "mod", "download", "-json", f"{module}@{version}"))
    own = Path(downloaded["Dir"])
    (source / "go.mod").write_text(requirements((own / "go.mod").read_text(), module, version))
    sums = (own / "go.sum").read_text().splitlines() + pins
    (source / "go.sum").write_text("".join(f"{line}\n" for line in sums))


def requirements(text, module, version):
    """Turns a module's go.mod into one of a module that requires it.

    Its `replace` directives name directories of its repository. Kubernetes requires its own parts as v0.0.0: they are published as
    v0.X.Y beside v1.X.Y.
    """
    replaced = re.findall(r"^\s*(?:replace )?(\S+) => \.", text, re.MULTILINE)
    text = re.sub(r"^replace \(.*?^\)", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^(replace|toolchain) .*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"^module .*$", f"module {MODULE}", text, flags=re.MULTILINE)
    text += f"\nrequire {module} {version}\n"
    if module == "k8s.io/kubernetes":
        part = version.replace("v1.", "v0.", 1)
        text = re.sub(r"^(\s*k8s\.io/\S+) v0\.0\.0(?=\s|$)", rf"\1 {part}", text, flags=re.MULTILINE)
        text += "".join(f"replace {name} => {name} {part}\n" for name in replaced)
    return text


def go_build(program, source, result):
    module, version, _ = program.read_pins()
    result.mkdir()
    flags = ["-trimpath", f"-ldflags=-s -w {stamp(version) if module == 'k8s.io/kubernetes' else ''}"]
    output = f"{result}/" if len(program.packages) > 1 else result / program.commands()[0]
    go(source, "build", "-mod=readonly", "-buildvcs=false", *flags, *program.tag_flags(), "-o", output, *program.import_paths())


def stamp(version):
    """Returns the linker flags that tell a component of Kubernetes its version."""
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {
        "gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean", "gitCommit": "0" * 40,
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"]
    return " ".join(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())


def go(directory, *arguments):
    """Runs the go command and returns its standard output."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off", "GOFLAGS": ""}
    command = ["nice", "-n", "10", "go", *map(str, arguments)]
    result = subprocess.run(command, cwd=directory, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if result.returncode:
        raise SystemExit(f"cluster: go {' '.join(map(str, arguments))}: {result.stdout}{result.stderr[-4000:]}")
    return result.stdout
