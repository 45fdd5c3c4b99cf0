"""Volumes as the kubelet makes them: owners, modes and links."""

import os
import subprocess
import time


def empty_dir(directory, group=None, memory=True, size="1m"):
    """An emptyDir: anybody may write into it; with an fsGroup, what is made there gets that group."""
    directory.mkdir(parents=True)
    if memory:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True)
    own(directory, 0o777, None)
    if group is not None:
        own(directory, 0o2777, group)
    return directory


def atomic(directory, files, mode=0o644, user=0, group=None):
    """A projected volume or a ConfigMap: `name → ..data/name`, `..data → ..<time>`, so that one rename changes all files."""
    stamped = directory / time.strftime("..%Y_%m_%d_%H_%M_%S.0000000001", time.gmtime())
    stamped.mkdir(parents=True)
    own(directory, 0o755, group)
    own(stamped, 0o755, group)
    for name, content in files.items():
        (stamped / name).write_text(content)
        own(stamped / name, mode, group, user)
        (directory / name).symlink_to(f"..data/{name}")
    (directory / "..data").symlink_to(stamped.name)
    return directory


def own(path, mode, group, user=0):
    """Whatever the umask."""
    os.chown(path, user, 0 if group is None else group)
    os.chmod(path, mode)
