"""The layers of the images, each created once and kept in the cache: Debian with Python and the AWS CLI, and the pause program."""

import hashlib
import inspect
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from stage import cache

REQUIREMENTS = Path(__file__).resolve().parents[2] / "real-clients/requirements.txt"
PAUSE_SOURCE = """\
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void stop(int signal) { _exit(0); }
static void reap(int signal) { while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) {
  signal(SIGTERM, stop);
  signal(SIGINT, stop);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
"""


def debian():
    """Returns the archive of a file system with Python, boto3 and the AWS CLI."""
    return cached("debian", create_debian, REQUIREMENTS.read_text())


def pause():
    """Returns the archive with the program `/pause`, which holds the namespaces of a pod."""
    return cached("pause", create_pause, PAUSE_SOURCE)


def cached(name, create, pins):
    """Returns a layer, which `create` writes if it is missing or older than its pins."""
    key = hashlib.sha256(f"{inspect.getsource(create)}{pins}".encode()).hexdigest()[:12]
    layer = cache.directory() / f"layer-{name}-{key}.tar"
    # A build of Kubernetes holds the lock for minutes.
    if layer.exists():
        return layer
    with cache.locked():
        if not layer.exists():
            print(f"cluster: creating the layer {name} of the images", flush=True)
            for old in cache.directory().glob(f"layer-{name}-*.tar"):
                old.unlink()
            with tempfile.TemporaryDirectory(dir=cache.directory(), prefix=f"{name}-") as scratch:
                create(Path(scratch))
                (Path(scratch) / "layer.tar").rename(layer)
    return layer


def create_debian(scratch):
    """Creates a file system with Python, boto3 and the AWS CLI."""
    root = scratch / "root"
    excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")]
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", "--include=python3,ca-certificates", *excluded, "bookworm", root], check=True,
    )
    # pip does not accept constraints with extras.
    constraints = scratch / "constraints.txt"
    constraints.write_text(re.sub(r"\[.*?\]", "", REQUIREMENTS.read_text()))
    # With this machine's Python: none of these packages depends on its version.
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-compile",
         "--target", root / "opt/clients", "--constraint", constraints, "boto3", "awscli"], check=True,
    )
    # What boto3 knows of other services, and the help of the AWS CLI, which has descriptions of all services of its own.
    unused = [
        *(path for path in (root / "opt/clients/botocore/data").iterdir() if path.is_dir() and path.name not in ("sts", "s3")),
        root / "opt/clients/awscli/examples", root / "var/cache/apt", root / "var/lib/apt",
    ]
    for directory in unused:
        shutil.rmtree(directory)
    (root / "data").mkdir()
    subprocess.run(["tar", "--numeric-owner", "--sort=name", "-C", root, "-cf", scratch / "layer.tar", "."], check=True)


def create_pause(scratch):
    (scratch / "pause.c").write_text(PAUSE_SOURCE)
    subprocess.run(["cc", "-static", "-Os", "-s", "-o", scratch / "pause", scratch / "pause.c"], check=True)
    with tarfile.open(scratch / "layer.tar", "w") as tar:
        tar.add(scratch / "pause", "pause")
