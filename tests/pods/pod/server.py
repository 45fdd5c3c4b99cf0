"""Somebody else's server in a container of its own on the pods' network."""

import json
from pathlib import Path

from pod.engine import in_network_of
from support.deadline import until

# What runs in containers, beside the clients.
PROGRAMS = Path(__file__).resolve().parent.parent / "programs"


class Server:
    def __init__(self, cluster, name, *command, ready, variables=None, files=None, dns=None):
        """`ready` is what it writes once it listens; `files` are put where their keys say."""
        self._engine = cluster.engine
        self.name = name
        words = [*cluster.restricted(), "--user", cluster.application, "--env", "PYTHONPATH=/opt/clients", "--env", "HOME=/"]
        # Low ports are anybody's here.
        words += ["--sysctl", "net.ipv4.ip_unprivileged_port_start=0"]
        for key, value in (variables or {}).items():
            words += ["--env", f"{key}={value}"]
        for place, file in (files or {}).items():
            words += ["--volume", f"{file}:{place}:ro"]
        if dns:
            words += ["--dns", dns]
        self._engine(
            "run", "--detach", "--name", name, "--network", cluster.network, *words,
            "--rootfs", f"{cluster.clients}:O", *command,
        )
        inspected = json.loads(self._engine("inspect", name))[0]
        self.pid = inspected["State"]["Pid"]
        self.address = inspected["NetworkSettings"]["Networks"][cluster.network]["IPAddress"]
        until(f"{name} to write {ready!r}", 30, lambda: ready in self.logs())

    def logs(self):
        done = self._engine.may_fail("logs", self.name)
        return done.stdout + done.stderr

    def in_network(self, *command, **more):
        """Runs a program of this machine in its network namespace."""
        return in_network_of(self.pid, *command, **more)

    def says(self, *command):
        """As `kubectl exec`: what a program in it prints."""
        return self._engine("exec", self.name, *command)
