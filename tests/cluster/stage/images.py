"""The images of the cluster: credvend, as releases build it; the pause image; and those of all applications in the manifests, with the same layers."""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

from stage import layers

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
CREDVEND = ["registry.example/credvend:0.1.0", "registry.example/mirror/credvend:0.1.0"]
PAUSE = "registry.test/pause:1"
# The official image of the AWS CLI runs as root; the images of applications run as a user who is not credvend's.
APPLICATIONS = {
    "Entrypoint": ["/application"], "User": "1000:1000",
    "names": [f"registry.example/{name}:1.0.0" for name in ("application", "migrate", "prepare", "helper", "orders", "exporter", "archiver")],
}
AWS_CLI = {"Entrypoint": ["python3", "-B", "-m", "awscli"], "User": "", "names": ["registry.example/aws-cli:2"]}
FLUENT_BIT = {"Entrypoint": ["/fluent-bit/bin/fluent-bit"], "User": "", "names": ["registry.example/fluent-bit:4.0"]}
ENVIRONMENT = ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/", "PYTHONPATH=/opt/clients"]


def applications(archive):
    """Writes an archive with the images of the applications and the pause image."""
    base, pause = layers.debian(), layers.pause()
    scripts = archive.with_name("scripts.tar")
    with tarfile.open(scripts, "w") as tar:
        # A layer contains the directories of its files.
        for directory in ("fluent-bit", "fluent-bit/bin"):
            member = tarfile.TarInfo(directory)
            member.type, member.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(member)
        for path in ("application", "fluent-bit/bin/fluent-bit", "proxy.py", "relay.py"):
            tar.add(HERE / "programs" / Path(path).name, path)
    write_archive(archive, [
        *((image, [base, scripts]) for image in (APPLICATIONS, AWS_CLI, FLUENT_BIT)),
        ({"Entrypoint": ["/pause"], "User": "65535:65535", "names": [PAUSE]}, [pause]),
    ])
    return archive


def write_archive(archive, images):
    """Writes images with their layers in the format of `docker save`, which `ctr images import` reads."""
    digests, manifest = {}, []
    with tarfile.open(archive, "w") as tar:
        for image, layers in images:
            for layer in layers:
                if layer not in digests:
                    with layer.open("rb") as file:
                        digests[layer] = hashlib.file_digest(file, "sha256").hexdigest()
                    tar.add(layer, f"{digests[layer]}.tar")
            config = json.dumps({
                "architecture": architecture(), "os": "linux",
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digests[layer]}" for layer in layers]},
                "config": {"Entrypoint": image["Entrypoint"], "User": image["User"], "Env": ENVIRONMENT},
            }).encode()
            name = f"{hashlib.sha256(config).hexdigest()}.json"
            add_bytes(tar, name, config)
            manifest.append({"Config": name, "RepoTags": image["names"], "Layers": [f"{digests[layer]}.tar" for layer in layers]})
        add_bytes(tar, "manifest.json", json.dumps(manifest).encode())


def add_bytes(tar, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def architecture():
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def credvend(binary, scratch):
    """Builds the image with the script that releases use. Returns an archive and the image's ID."""
    # Storage and configuration are in the scratch directory: those of this machine are not used or changed.
    configuration = scratch / "containers.conf"
    configuration.write_text('[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n')
    podman = scratch / "podman"
    podman.write_text(f'#!/bin/sh\nexec {shutil.which("podman")} --root {scratch}/storage --runroot {scratch}/run "$@"\n')
    podman.chmod(0o755)
    environment = {**os.environ, "CONTAINERS_CONF": str(configuration), "CONTAINER_ENGINE": str(podman)}
    built = subprocess.run(
        [ROOT / "images/build", "--tag", CREDVEND[0], "--binary", binary], env=environment, check=True, text=True, stdout=subprocess.PIPE,
    )
    archive = scratch / "credvend.tar"
    subprocess.run(
        [podman, "save", "--quiet", "--format", "docker-archive", "--output", archive, CREDVEND[0]], env=environment, check=True,
    )
    return archive, built.stdout.strip()
