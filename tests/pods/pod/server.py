"""A server other than credvend, in its own container in the pods' network."""

from pathlib import Path

from pod.container import Container
from support.waiting import wait_until

# The programs that run in containers.
PROGRAMS = Path(__file__).resolve().parent.parent / "programs"


class Server(Container):
    def __init__(self, cluster, name, *command, ready, files=None):
        """Starts a server and waits until it writes the text `ready`. `files` maps paths in the container to files."""
        super().__init__(cluster.engine, name)
        words = [*cluster.restricted(), "--user", cluster.application, "--env", "HOME=/"]
        # Allows every user to listen on low ports.
        words += ["--sysctl", "net.ipv4.ip_unprivileged_port_start=0"]
        for path, file in (files or {}).items():
            words += ["--volume", f"{file}:{path}:ro"]
        cluster.engine(
            "run", "--detach", "--name", name, "--network", cluster.network, *words,
            "--rootfs", f"{cluster.python_root}:O", *command,
        )
        self.address = self.address_in(cluster.network)
        wait_until(f"{name} writes {ready!r}", 30, lambda: ready in self.logs())
