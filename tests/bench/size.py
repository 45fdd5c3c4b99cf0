"""The size of the binary and of the image, and of the crates in the binary."""

import os
import re
import subprocess
from collections import Counter
from pathlib import Path

from figure import Goal, single

GROUP = "Size"
MEBIBYTE = 1024 * 1024
ROOT = Path(__file__).parents[2]


def measure(bench):
    size = os.path.getsize(bench.credvend) / MEBIBYTE
    # .ci/check-binary enforces the limit.
    yield single(GROUP, "static binary", "MiB", size, goal=Goal("≤", 5.0, "MiB"))
    if not bench.is_short:
        yield from image(bench)


def image(bench):
    """Builds the image with a storage of its own, and measures it as a registry stores it."""
    podman = bench.program("podman", "the size of the image")
    if not podman:
        return
    wrapper, archive = bench.scratch / "podman", bench.scratch / "image.tar"
    storage = f"--root {bench.scratch}/storage --runroot {bench.scratch}/run --storage-driver vfs"
    wrapper.write_text(f'#!/bin/sh\nexec {podman} {storage} "$@"\n')
    wrapper.chmod(0o755)
    environment = {**os.environ, "CONTAINER_ENGINE": str(wrapper)}
    try:
        build = [ROOT / "images/build", "--tag", "localhost/credvend-bench", "--binary", bench.credvend]
        subprocess.run(build, env=environment, check=True, capture_output=True)
        save = [wrapper, "save", "--format", "oci-archive", "--output", archive, "localhost/credvend-bench"]
        subprocess.run(save, check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        bench.skip("the size of the image", error.stderr.decode().strip().splitlines()[-1])
        return
    yield single(GROUP, "image, as a registry stores it", "MiB", archive.stat().st_size / MEBIBYTE)


def crates(binary, number=12):
    """Returns the largest crates in a binary with symbols, as pairs of a name and a size in bytes, and the sum of the others."""
    output = subprocess.run(
        ["nm", "--print-size", "--demangle", "--radix=d", "--defined-only", binary], check=True, capture_output=True, text=True,
    ).stdout
    sizes, seen = Counter(), set()
    for address, size, kind, name in re.findall(r"^(\d+) (\d+) ([a-zA-Z]) (.+)$", output, re.MULTILINE):
        if kind.lower() in "trdvw" and address not in seen:
            seen.add(address)
            sizes[crate(name)] += int(size)
    largest = sizes.most_common(number)
    return [*largest, ("others", sizes.total() - sum(size for _, size in largest))]


def crate(symbol):
    """Returns the crate of a demangled symbol. An instance of generic code of the standard library belongs to the crate of its type."""
    if symbol.startswith(("ring_core_", "ecp_nistz256")):
        return "ring"
    names = re.findall(r"(?<![\w:])([a-z_][a-z0-9_]*)(?:\[[0-9a-f]+\])?::", symbol)
    own = [name for name in names if name not in ("core", "alloc", "std")]
    if own:
        return own[0]
    return names[0] if names else "C library"
