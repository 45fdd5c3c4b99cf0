"""The directory of programs and layers, outside the repository: each is kept until its version changes."""

import contextlib
import fcntl
import os
from pathlib import Path


def directory():
    caches = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("CREDVEND_CLUSTER_CACHE") or Path(caches) / "credvend" / "cluster").absolute()


@contextlib.contextmanager
def locked():
    """A context in which no other process writes to the directory."""
    directory().mkdir(parents=True, exist_ok=True)
    with (directory() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
