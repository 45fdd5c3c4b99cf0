"""Volumes with the owners and modes of the kubelet's volumes."""

import os
import subprocess


def empty_dir(directory, group):
    """Creates an emptyDir in memory, in which every user can write: new files get the fsGroup, and only their owner can replace them."""
    directory.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory], check=True)
    set_owner_and_mode(directory, 0o3777, group)
    return directory


def set_owner_and_mode(path, mode, group):
    """Sets group and mode, independent of the umask."""
    os.chown(path, 0, group)
    os.chmod(path, mode)
