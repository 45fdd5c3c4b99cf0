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


def token_volume(directory, token, mode=0o644, group=None):
    """A projected serviceAccountToken with one token, for what the STS does not project by itself."""
    return _atomic_volume(directory, {"token": token}, mode, group)


def config_map(directory, **files):
    """A ConfigMap's files, readable by all."""
    return _atomic_volume(directory, {name.replace("_", "."): content for name, content in files.items()}, 0o644, None)


def _atomic_volume(directory, files, mode, group):
    """`name → ..data/name` and `..data → ..<time>`, so that one rename changes all files."""
    stamped = directory / time.strftime("..%Y_%m_%d_%H_%M_%S.0000000001", time.gmtime())
    stamped.mkdir(parents=True)
    own(directory, 0o755, group)
    own(stamped, 0o755, group)
    for name, content in files.items():
        (stamped / name).write_text(content)
        own(stamped / name, mode, group)
        (directory / name).symlink_to(f"..data/{name}")
    (directory / "..data").symlink_to(stamped.name)
    return directory


def own(path, mode, group):
    """Root's, whatever the umask."""
    os.chown(path, 0, 0 if group is None else group)
    os.chmod(path, mode)
