"""Volumes with the owners, modes and links of the kubelet's volumes."""

import os
import subprocess
import time


def empty_dir(directory, group=None, memory=True, size="1m"):
    """Creates an emptyDir, in which every user can write. With an fsGroup, new files get that group."""
    directory.mkdir(parents=True)
    if memory:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True)
    set_owner_and_mode(directory, 0o777, None)
    if group is not None:
        set_owner_and_mode(directory, 0o2777, group)
    return directory


def atomic(directory, files, mode=0o644, user=0, group=None):
    """Creates a projected volume or a ConfigMap volume: `name → ..data/name`, `..data → ..<time>`.

    With these links, one rename updates all files.
    """
    timestamped = directory / time.strftime("..%Y_%m_%d_%H_%M_%S.0000000001", time.gmtime())
    timestamped.mkdir(parents=True)
    set_owner_and_mode(directory, 0o755, group)
    set_owner_and_mode(timestamped, 0o755, group)
    for name, content in files.items():
        (timestamped / name).write_text(content)
        set_owner_and_mode(timestamped / name, mode, group, user)
        (directory / name).symlink_to(f"..data/{name}")
    (directory / "..data").symlink_to(timestamped.name)
    return directory


def set_owner_and_mode(path, mode, group, user=0):
    """Sets owner and mode, independent of the umask."""
    os.chown(path, user, 0 if group is None else group)
    os.chmod(path, mode)
