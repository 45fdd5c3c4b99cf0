"""Readers of /proc: memory, threads, descriptors and children of a process."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass
class Usage:
    """The resources of a process at one point in time. Memory in MiB; `descriptors` is None without permission."""

    resident: float
    peak: float
    threads: int
    descriptors: int | None
    cpu_seconds: float

    def __init__(self, pid):
        status = _status(pid)
        self.resident = int(status["VmRSS"].split()[0]) / 1024
        self.peak = int(status["VmHWM"].split()[0]) / 1024
        self.threads = int(status["Threads"])
        self.cpu_seconds = _cpu_seconds(pid)
        try:
            self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        except PermissionError:
            self.descriptors = None


def _status(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _cpu_seconds(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def catches(pid, number):
    """Returns true if the process has a handler for the signal."""
    return bool(int(_status(pid)["SigCgt"], 16) >> (number - 1) & 1)


def exists(pid):
    """Returns true if the process runs. A zombie does not run."""
    try:
        return not _status(pid)["State"].startswith("Z")
    except OSError:
        return False


def name(pid):
    return Path(f"/proc/{pid}/comm").read_text().strip()


def state(pid):
    """Returns the letter of the process state: R, S, D, T or Z."""
    return _status(pid)["State"][0]


def children(pid):
    """Returns the process IDs of the children."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def zombies(pid):
    """Returns the children that have ended and were not reaped."""
    return [child for child in children(pid) if not exists(child)]
