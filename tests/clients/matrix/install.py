"""Installers: each returns a function that installs a client below the target directory and returns the client's place.

An installation is reused until one of the files that pin it changes. `NotAvailable` says why a client cannot be had here.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path


class NotAvailable(Exception):
    """The client cannot be installed on this machine."""


def target():
    """Returns the folder for everything that the suite installs."""
    root = Path(__file__).resolve().parents[3]
    return (root / os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "clients"


def venv(requirements, name):
    """A virtual environment; its place is the folder with `bin/python`."""

    def build(place):
        run([sys.executable, "-m", "venv", place])
        pip = [place / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"]
        run([*pip, "-r", requirements])

    return installer(name, [requirements], build)


def npm(folder):
    """The packages of a package-lock.json; the place has `node_modules` and a copy of the folder's programs."""

    def build(place):
        _require("npm", "npm (Debian: nodejs and npm)")
        _copy(folder, place)
        run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"], cwd=place)

    return installer("javascript", _files(folder), build)


def go(folder, name="go"):
    """A Go module; the place has one binary for each program of the module."""

    def build(place):
        _require("go", "Go (.ci/setup go)")
        place.mkdir(parents=True)
        run(["nice", "go", "build", "-o", f"{place}/", "./..."], cwd=folder, env={**os.environ, "CGO_ENABLED": "0"})

    return installer(name, _files(folder), build)


def maven(folder):
    """A Maven project; the place is a copy of the project with `target/dependency/*.jar` and `target/classes`."""

    def build(place):
        _require("mvn", "Maven (Debian: maven and a JDK)")
        _copy(folder, place)
        run(["nice", "mvn", "--quiet", "--batch-mode", "compile", "dependency:copy-dependencies"], cwd=place)

    return installer(f"java-{Path(folder).name}", _files(folder), build)


def cargo(folder):
    """A Cargo package with its own lock file; the place has `release/NAME` for each binary."""

    def build(place):
        _require("cargo", "cargo")
        run(["nice", "cargo", "build", "--quiet", "--locked", "--release", "--target-dir", place], cwd=folder)

    return installer(f"rust-{Path(folder).name}", _files(folder), build)


def gem(folder):
    """The gems of a Gemfile.lock; the place is for GEM_HOME."""

    def build(place):
        _require("bundle", "Bundler (Debian: ruby-bundler)")
        _copy(folder, place)
        run(["bundle", "install", "--quiet"], cwd=place, env={**os.environ, "BUNDLE_PATH": str(place), "BUNDLE_FROZEN": "true"})

    return installer(f"ruby-{Path(folder).name}", _files(folder), build)


def debian(*packages, program):
    """Debian packages, whose version is that of the distribution; the place is the path of the program."""

    def install():
        if not _has_debian(packages):
            if not shutil.which("apt-get") or os.geteuid() != 0:
                raise NotAvailable(f"needs {program}; on Debian, run: apt-get install {' '.join(packages)}")
            target().mkdir(parents=True, exist_ok=True)
            with (target() / "apt.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
                run(["apt-get", "update", "-qq"], env=env)
                run(["apt-get", "install", "-qq", "--yes", "--no-install-recommends", *packages], env=env)
        return Path(shutil.which(program) or _raise(f"the packages {' '.join(packages)} have no {program}"))

    return install


def run(command, **options):
    """Runs an installation command. A failure means that the client is not available."""
    words = [str(word) for word in command]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise NotAvailable(f"`{' '.join(words[:4])} …` failed: {' '.join(done.stdout.split())[-400:]}")
    return done.stdout


def installer(name, pins, build):
    """The digest of the pinning files is written last, so that an interrupted installation is repeated."""

    def install():
        place, stamp = target() / name, target() / f"{name}.digest"
        place.parent.mkdir(parents=True, exist_ok=True)
        with (target() / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            digest = _digest(pins)
            if not stamp.exists() or stamp.read_text() != digest or not place.exists():
                print(f"clients: installing {name}", file=sys.stderr, flush=True)
                stamp.unlink(missing_ok=True)
                shutil.rmtree(place, ignore_errors=True)
                build(place)
                stamp.write_text(digest)
        return place

    return install


def _digest(files):
    # Installations are tied to the interpreter that made them.
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(files):
        digest.update(Path(file).read_bytes())
    return digest.hexdigest()


def _files(folder):
    skipped = {"__pycache__", "node_modules", "target", "clients.py"}
    return [file for file in Path(folder).rglob("*") if file.is_file() and not skipped & set(file.relative_to(folder).parts)]


def _copy(folder, place):
    shutil.copytree(folder, place, ignore=shutil.ignore_patterns("__pycache__", "node_modules", "target", "clients.py"))


def _has_debian(packages):
    if not shutil.which("dpkg-query"):
        return False
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}\n", *packages]
    return subprocess.run(query, capture_output=True, text=True).stdout.split() == ["installed"] * len(packages)


def _require(program, name):
    if not shutil.which(program):
        raise NotAvailable(f"needs {name}")


def _raise(reason):
    raise NotAvailable(reason)
