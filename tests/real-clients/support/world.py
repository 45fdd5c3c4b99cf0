"""What every suite is handed: the binaries, a scratch directory, the shared STS, and what must stay secret."""

import itertools
import os
import sys
from pathlib import Path

from support.secrets import Secrets

ROLE_A = "arn:aws:iam::111111111111:role/account-a-role"
ROLE_B = "arn:aws:iam::222222222222:role/account-b-role"
SESSION_A = "arn:aws:sts::111111111111:assumed-role/account-a-role/"
SESSION_B = "arn:aws:sts::222222222222:assumed-role/account-b-role/"


class World:
    def __init__(self, credvend, local_sts, scratch):
        self.credvend = credvend
        self.local_sts = local_sts
        self.scratch = scratch
        self.secrets = Secrets()
        self.sts = None
        self._numbers = itertools.count(1)
        self.logs = self.directory("logs")
        self.home = self.directory("home")
        # The environment's own programs, beside this Python.
        self.python = Path(sys.executable)
        self.aws = self.python.parent / "aws"
        self.moto_server = self.python.parent / "moto_server"

    def directory(self, name):
        directory = self.scratch / name
        directory.mkdir()
        return directory

    def log_file(self, program):
        """A file of its own for what one process writes to stderr."""
        return self.logs / f"{next(self._numbers):03}-{program}.log"

    def environment(self, **more):
        """Nothing of the caller's, so neither its AWS set-up nor its proxies: only what is given here."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            **{name: str(value) for name, value in more.items()},
        }
