"""Control groups, version 1 or 2, with a limit on processes or memory."""

import uuid
from pathlib import Path

from stage.report import Skipped

ROOT = Path("/sys/fs/cgroup")


class Cgroup:
    """A control group that is removed when the `with` block ends. Skips the scenario if the machine does not permit it."""

    def __init__(self, controller):
        self.v1 = (ROOT / controller).is_dir()
        parent = ROOT / controller if self.v1 else ROOT
        self.directory = parent / f"credvend-attack-{uuid.uuid4().hex[:8]}"
        try:
            if not self.v1 and controller not in (ROOT / "cgroup.subtree_control").read_text().split():
                (ROOT / "cgroup.subtree_control").write_text(f"+{controller}")
            self.directory.mkdir()
        except OSError as error:
            raise Skipped(f"needs root and the cgroup controller {controller} ({error})") from error

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.rmdir()

    def enter_command(self):
        """Returns the start of a command line that runs a program in this control group."""
        return ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self.directory]

    def add(self, pid):
        self.write("cgroup.procs", pid)

    def limit_processes(self, number):
        self.write("pids.max", number)

    def limit_memory(self, size):
        self.write("memory.limit_in_bytes" if self.v1 else "memory.max", size)

    def oom_kills(self):
        events = self.read("memory.oom_control" if self.v1 else "memory.events")
        return int(dict(line.split() for line in events.splitlines())["oom_kill"])

    def peak_memory(self):
        """Returns the highest use in MiB, page cache included, or None on kernels that do not tell."""
        name = "memory.max_usage_in_bytes" if self.v1 else "memory.peak"
        return int(self.read(name)) / 2**20 if (self.directory / name).exists() else None

    def read(self, name):
        return (self.directory / name).read_text()

    def write(self, name, value):
        (self.directory / name).write_text(str(value))

