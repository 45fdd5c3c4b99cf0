"""The context of a test run: scratch directory, logs, secrets, binaries and the shared STS."""

import itertools
import os
import sys
from pathlib import Path

from support.secrets import Secrets


class SuiteContext:
    """The parts of the context that all suites need."""

    def __init__(self, scratch):
        self.scratch = scratch
        self.secrets = Secrets()
        self.logs = self.directory("logs")
        self._numbers = itertools.count(1)

    def directory(self, name):
        """Creates a directory in the scratch directory."""
        directory = self.scratch / name
        directory.mkdir()
        return directory

    def number(self):
        """Returns a number that is unique in this run."""
        return next(self._numbers)


class ClientsContext(SuiteContext):
    """The context of the suites with real AWS clients."""

    def __init__(self, credvend, local_sts, scratch):
        super().__init__(scratch)
        self.credvend = credvend
        self.local_sts = local_sts
        self.sts = None
        self.home = self.directory("home")
        # The programs of the virtual environment that runs this script.
        self.python = Path(sys.executable)
        self.aws = self.python.parent / "aws"
        self.moto_server = self.python.parent / "moto_server"

    def log_file(self, program):
        """Returns the path of a new log file for the stderr of a process."""
        return self.logs / f"{self.number():03}-{program}.log"

    def environment(self, **variables):
        """Returns the environment of a child process. Apart from PATH, it inherits nothing from the caller."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **{name: str(value) for name, value in variables.items()},
        }
