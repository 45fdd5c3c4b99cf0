"""The machine, the versions and the date of a run."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path


def describe(bench):
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "kernel": platform.release().partition("-")[0],
        "versions": versions(bench),
    }


def processor():
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return re.sub(r"\s+", " ", found[1]).replace("(R)", "").strip() if found else platform.machine()


def versions(bench):
    commands = {
        "credvend": [bench.credvend, "--version"], "curl": ["curl", "--version"], "nginx": ["nginx", "-v"], "wrk": ["wrk", "-v"],
        "AWS CLI": [bench.aws, "--version"] if bench.aws else None, "Python": ["python3", "--version"],
    }
    return {name: version for name, command in commands.items() if command and (version := version_of(command))}


def version_of(command):
    """Returns the first version number that a program prints, or None."""
    path = f"{os.environ['PATH']}:/usr/sbin"
    try:
        ended = subprocess.run(command, capture_output=True, text=True, env={"PATH": path}, check=False)
    except FileNotFoundError:
        return None
    found = re.search(r"\d+\.\d+(\.\d+)?", ended.stdout + ended.stderr)
    return found and found[0]
