"""Kinds of objects that can stand in the place of a file."""

import os
import shutil
from pathlib import Path


def fifo(path):
    os.mkfifo(path)


def zeros(path):
    path.symlink_to("/dev/zero")


def directory(path):
    path.mkdir()


def dangling_link(path):
    path.symlink_to(path.with_name("nothing"))


def link_loop(path):
    other = path.with_name(f"{path.name}-loop")
    other.unlink(missing_ok=True)
    other.symlink_to(path)
    path.symlink_to(other)


def huge(path):
    with path.open("wb") as file:
        file.truncate(2**30)


def binary(path):
    path.write_bytes(bytes(range(256)) * 64)


def empty(path):
    path.touch()


# Objects that never are a configuration, a token or a certificate.
ALL = {"fifo": fifo, "link to /dev/zero": zeros, "directory": directory, "dangling link": dangling_link,
       "link loop": link_loop, "sparse file of 1 GiB": huge, "binary file": binary, "empty file": empty}


def replace(path, make):
    """Replaces what is at the path with another object, and returns a function that restores it."""
    saved = Path(f"{path}.saved")
    if os.path.lexists(path):
        path.rename(saved)
    make(path)

    def restore():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
        if os.path.lexists(saved):
            saved.rename(path)

    return restore
