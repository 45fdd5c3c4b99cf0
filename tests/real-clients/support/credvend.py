"""credvend itself: its long-running and its one-shot commands, always logging all they can."""

import re

from support.deadline import until
from support.processes import Background, run as run_program

LOUD = {"CREDVEND_LOG": "trace", "RUST_LOG": "trace", "RUST_BACKTRACE": "1"}


class Sidecar(Background):
    """`credvend run` on a free port; ready, unless told otherwise, once the `with` block begins."""

    def __init__(self, world, *options, ready=True, **variables):
        self._world = world
        self._ready = ready
        env = world.environment(**LOUD, CREDVEND_LISTEN="127.0.0.1:0", **variables)
        super().__init__(world, "credvend-run", [world.credvend, "run", *options], env)

    def __enter__(self):
        self.url = self.wait_for(r"http://127\.0\.0\.1:\d+/v1/credentials")[0]
        self.address = re.search(r"//([^/]+)/", self.url)[1]
        if self._ready:
            until("credvend health to answer yes", 10, lambda: self.health() == 0)
        return self

    def health(self):
        return once(self._world, "health", CREDVEND_LISTEN=self.address).returncode

    def client_variables(self):
        """What an application beside it is given."""
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.url}


def once(world, command, *options, **variables):
    """Runs a command that ends by itself."""
    env = world.environment(**{**LOUD, **variables})
    return run_program(world, f"credvend-{command}", [world.credvend, command, *options], env)
