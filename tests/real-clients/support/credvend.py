"""The commands of credvend, with the most verbose logging."""

import re

from support.processes import BackgroundProcess, run_program
from support.waiting import wait_until

VERBOSE_LOGGING = {"CREDVEND_LOG": "trace", "RUST_LOG": "trace", "RUST_BACKTRACE": "1"}


class Sidecar(BackgroundProcess):
    """`credvend run` on a free port. By default, the `with` block begins once it is ready."""

    def __init__(self, context, *options, ready=True, **variables):
        self._context = context
        self._ready = ready
        env = context.environment(**VERBOSE_LOGGING, CREDVEND_LISTEN="127.0.0.1:0", **variables)
        super().__init__(context, "credvend-run", [context.credvend, "run", *options], env)

    def __enter__(self):
        self.url = self.wait_for(r"http://127\.0\.0\.1:\d+/v1/credentials")[0]
        self.address = re.search(r"//([^/]+)/", self.url)[1]
        if self._ready:
            wait_until("credvend health exits with 0", 10, lambda: self.health() == 0)
        return self

    def health(self):
        """Returns the exit code of `credvend health`."""
        return run_credvend(self._context, "health", CREDVEND_LISTEN=self.address).returncode

    def client_variables(self):
        """Returns the environment variables that point an application at this sidecar."""
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url}


def run_credvend(context, command, *options, **variables):
    """Runs a command that exits by itself."""
    env = context.environment(**{**VERBOSE_LOGGING, **variables})
    return run_program(context, f"credvend-{command}", [context.credvend, command, *options], env)
