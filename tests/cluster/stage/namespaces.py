"""The namespaces of the cluster: every daemon, mount and network device of it is inside, and ends with the first process.

The machine outside keeps its mounts, its network and its kernel settings: the kubelet writes three settings that no namespace has, so it
finds files of this run in their place. What remains outside are directories of cgroups, which are removed when all processes have ended.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from stage.waiting import wait_until
from support.checks import CheckFailed

INIT = Path(__file__).resolve().parent.parent / "programs" / "init.py"
CGROUPS = Path("/sys/fs/cgroup")
CGROUP = "credvend-cluster"
# The addresses inside. There is no default route, so that nothing reaches another network.
NODE_ADDRESS = "10.201.0.1"
POD_NETWORK = "10.202.0.0/16"
# The network of pods that have no IPv4 address, and the address of the node in it.
IPV6_POD_NETWORK = "fd00:10:202::/64"
IPV6_NODE_ADDRESS = "fd00:10:202::1"
SERVICE_NETWORK = "10.203.0.0/24"
ISSUER_HOST = "oidc.cluster.example"
# The values that the kubelet requires.
KERNEL_SETTINGS = {"vm/overcommit_memory": "1", "kernel/panic": "10", "kernel/panic_on_oops": "1"}


class Namespaces:
    """`state` is a directory whose file `init` names the first process."""

    def __init__(self, state):
        self.file = state / "init"
        self.log = state / "init.log"

    def create(self):
        """Starts the first process. It is in a session of its own, so that Ctrl-C does not reach it."""
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "-B", INIT]
        with self.log.open("w") as log:
            process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True,
                start_new_session=True,
            )
        if process.stdout.readline().strip() != "ready":
            raise CheckFailed(f"cannot create namespaces: {self.log.read_text()}")
        (pid,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        record(pid, self.file)
        for directory in self._cgroups():
            directory.mkdir(exist_ok=True)
            prefer(directory)

    def pid(self):
        """Returns the process ID of the first process, or None if it does not run."""
        return recorded(self.file)

    def command(self, *words):
        """Returns a command that runs a program in the namespaces."""
        return ["nsenter", "--target", str(self.pid()), "--mount", "--net", "--pid", "--", *map(str, words)]

    def destroy(self):
        """Ends all processes. Does nothing if they have ended."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            # The kernel first ends all other processes of the namespace.
            wait_until("all processes of the cluster have ended", 60, lambda: self.pid() is None)
        for directory in self._cgroups():
            for path, _, _ in os.walk(directory, topdown=False):
                wait_until(f"{path} is empty", 10, lambda path=path: removed(path))
        self.file.unlink(missing_ok=True)

    @staticmethod
    def _cgroups():
        """Returns the cgroup of the cluster in the hierarchy of version 2, or in each one of version 1."""
        if (CGROUPS / "cgroup.controllers").exists():
            return [CGROUPS / CGROUP]
        return [path / CGROUP for path in CGROUPS.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink()]


def prefer(cgroup):
    """Gives the pods ten times the CPU time of other processes when both want it, so that applications end within their grace period."""
    for name, weight in [("cpu.shares", "10240"), ("cpu.weight", "1000")]:
        if (cgroup / name).exists():
            (cgroup / name).write_text(weight)


def record(pid, file):
    """Writes the process ID into a file, with the time at which the process started."""
    file.write_text(f"{pid} {start_time(pid)}")


def recorded(file):
    """Returns the process ID in a file, or None if that process does not run: another process can have its number."""
    try:
        pid, started = file.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if start_time(pid) == started else None


def start_time(pid):
    """Returns when a process started, in clock ticks since boot; None if it does not exist or is a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def removed(cgroup):
    try:
        os.rmdir(cgroup)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def prepare(state):
    """Prepares the mounts and the network, from inside the namespaces."""
    settings = state / "kernel-settings"
    shutil.rmtree(settings, ignore_errors=True)
    for name, value in KERNEL_SETTINGS.items():
        file = settings / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{value}\n")
        run("mount", "--bind", file, f"/proc/sys/{name}")
    hosts = state / "hosts"
    hosts.write_text(f"127.0.0.1 localhost\n{NODE_ADDRESS} {ISSUER_HOST}\n")
    run("mount", "--bind", hosts, "/etc/hosts")
    # The daemons write here; the directories of the machine stay as they are.
    for directory in ("/run", "/var/lib", "/var/log"):
        run("mount", "-t", "tmpfs", "tmpfs", directory)
    # Containers can ask for mounts that follow those of the node.
    run("mount", "--make-rshared", "/")
    for device, address in (("lo", None), ("node0", f"{NODE_ADDRESS}/24"), ("node1", None)):
        if device == "node0":
            # A pair whose other end is unused, because some kernels have no dummy devices.
            run("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node1")
        if address:
            run("ip", "address", "add", address, "dev", device)
        run("ip", "link", "set", device, "up")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1\n")


def run(*command):
    subprocess.run([str(word) for word in command], check=True)
