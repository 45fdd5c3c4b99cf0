"""A container."""

import json

from pod.engine import run_in_network_of


class Container:
    def __init__(self, engine, name):
        self._engine = engine
        self.name = name

    def logs(self):
        """Returns the same text as `kubectl logs`."""
        completed = self._engine.try_run("logs", self.name)
        return completed.stdout + completed.stderr

    def inspect(self):
        return json.loads(self._engine("inspect", self.name))[0]

    def state(self):
        return self.inspect()["State"]

    @property
    def pid(self):
        return self.state()["Pid"]

    def is_running(self):
        return self.state()["Status"] == "running"

    def exec_status(self, *command, seconds=10):
        """Runs a program in the container like an exec probe, and returns its exit code."""
        return self._engine.try_run("exec", self.name, *command, seconds=seconds).returncode

    def run_in_network(self, *command, **options):
        """Runs a program of this machine in the container's network namespace, and returns its stdout."""
        return run_in_network_of(self.pid, *command, **options)

    def address_in(self, network):
        """Returns the container's IP address in a network."""
        return self.inspect()["NetworkSettings"]["Networks"][network]["IPAddress"]
