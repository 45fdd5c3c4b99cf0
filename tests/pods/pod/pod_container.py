"""A container in a pod: probes, signals, its exit and its endpoint."""

import json
import os
import signal
import time
from contextlib import contextmanager, suppress
from datetime import datetime

from pod.container import Container
from support.checks import CheckFailed
from support.waiting import wait_for_output, wait_until


class PodContainer(Container):
    def startup_probe(self):
        """Waits until credvend's startup probe succeeds."""

        def succeeds():
            if not self.is_running():
                raise CheckFailed(f"{self.name} exited")
            return self.exec_status("/credvend", "health") == 0

        with self._logs_on_failure():
            wait_until("the probe succeeds", 30, succeeds)

    def signal(self, name):
        send(self.pid, name)

    def terminate(self, signal_name, seconds=30):
        """Sends a signal and waits for the exit. Returns the seconds between them, by the supervisor's record."""
        pid, sent = self.pid, time.time()
        send(pid, signal_name)
        self.wait(seconds)
        # The kernel's clock for file times can be some milliseconds behind.
        return max(0.0, self.exit_time() - sent)

    def exit_time(self):
        """Returns the time of the exit as the container's supervisor recorded it, without podman's own delay."""
        template = "{{.State.FinishedAt.UTC.Format \"2006-01-02T15:04:05.000000\"}}"
        finished_at = self._engine("inspect", "--format", template, self.name)
        return datetime.fromisoformat(f"{finished_at}+00:00").timestamp()

    def wait(self, seconds=30):
        """Waits for the exit and returns the exit code."""
        with self._logs_on_failure():
            return int(self._engine("wait", "--interval", "20ms", self.name, seconds=seconds))

    def wait_for(self, pattern, seconds=15):
        """Returns the first line of the logs that matches `pattern`."""
        return wait_for_output(self.name, f"^.*(?:{pattern}).*$", seconds, self.logs, self.is_running)[0]

    def credentials(self):
        """Requests credentials from the endpoint, and returns the status and the document."""
        words = ["curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}"]
        body, _, status = self.run_in_network(*words, "http://127.0.0.1:9911/v1/credentials").rpartition("\n")
        return int(status), json.loads(body)

    @contextmanager
    def _logs_on_failure(self):
        """Adds the container's logs to a failed check."""
        try:
            yield
        except CheckFailed as error:
            raise CheckFailed(f"{error}; {self.name} wrote {self.logs()[-1500:]}") from error


def send(pid, signal_name):
    """Sends a signal to a container's process, unless it has exited: podman then shows the ID 0, which means this process group."""
    if pid:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.Signals[f"SIG{signal_name}"])
