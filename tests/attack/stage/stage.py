"""The stage of a scenario: a scratch directory, local STSs and credvend processes, all of which end with the scenario."""

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stage.credvend import Credvend
from stage.crowd import Crowd
from stage.good_client import GoodClient
from stage.report import Skipped
from stage.sts import Sts
from support.commands import run_command
from support.context import ClientsContext
from support.roles import ROLE_A


@dataclass
class Attack:
    """What all scenarios share."""

    credvend: Path
    local_sts: Path
    scratch: Path
    # A dynamically linked credvend, for libfaketime.
    dynamic: Path | None
    short: bool


class Stage(ClientsContext):
    def __init__(self, attack, name, scratch):
        super().__init__(attack.credvend, attack.local_sts, scratch)
        # Scenarios with a second user need to reach the scratch directory.
        os.chmod(scratch, 0o755)
        self.attack = attack
        self.name = name
        self._ends = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._ends.close()

    @property
    def short(self):
        return self.attack.short

    def scaled(self, whole, short):
        """Returns a number for the whole suite or the one for the short part."""
        return short if self.short else whole

    def at_end(self, function, *arguments):
        """Calls the function at the end of the scenario."""
        self._ends.callback(function, *arguments)

    def start_sts(self, *options):
        """Starts a local STS with a projected token. The first one becomes `self.sts`."""
        sts = self._ends.enter_context(Sts(self, f"sts-{self.number()}", *options))
        self.sts = self.sts or sts
        return sts

    def pod_variables(self, **variables):
        """Returns the environment variables of a pod with role A, for `self.sts`, which is started if necessary."""
        if not self.sts:
            self.start_sts()
        return {**self.sts.pod_variables(ROLE_A), **variables}

    def start(self, *options, command="run", ready=True, prefix=(), level="info", binary=None, **variables):
        """Starts `credvend run` on a free port. With `ready`, returns when `credvend health` succeeds."""
        variables = {**self.pod_variables(), "CREDVEND_LOG": level, **variables}
        process = Credvend(self, [*prefix, binary or self.credvend, command, *options], variables)
        self._ends.enter_context(process)
        if ready:
            process.wait_until_ready()
        return process

    def run_command(self, *words, seconds=60, prefix=(), **variables):
        """Runs a command of credvend to completion and returns the completed process."""
        variables = {**self.pod_variables(), **variables}
        command = [*prefix, self.credvend, *words]
        completed = run_command(command, seconds, env=self.environment(**variables), cwd=self.scratch)
        self.log_file(f"credvend-{words[0]}").write_text(completed.stderr)
        return completed

    def crowd(self, kind, count, address):
        """Starts a crowd of clients against an address."""
        return self._ends.enter_context(Crowd(self, kind, count, address))

    def good_client(self, url, **options):
        """Starts a client that opens a new connection for each request."""
        return self._ends.enter_context(GoodClient(self, url, **options))

    def temporary_directory(self, mode=0o755):
        """Returns a new directory in the scratch directory."""
        directory = Path(tempfile.mkdtemp(dir=self.scratch))
        directory.chmod(mode)
        return directory

    def skip(self, reason):
        raise Skipped(reason)

    def require_root(self):
        if os.geteuid() != 0:
            self.skip("needs root")

    def require_program(self, program):
        """Skips the scenario if the machine does not have the program, and returns its path."""
        import shutil

        path = shutil.which(program)
        if not path:
            raise Skipped(f"needs the program {program}")
        return path
