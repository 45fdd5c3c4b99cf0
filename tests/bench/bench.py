"""What every benchmark gets: the binaries, the local STS, and how long it may take."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from processes import LocalSts, Sidecar

AUTHORIZATION = "t" * 43


@dataclass
class Bench:
    """The programs of a run and its scratch directory."""

    credvend: str
    sts: LocalSts
    scratch: Path
    # The AWS CLI, or None.
    aws: str | None
    is_short: bool
    not_run: list = field(default_factory=list)

    def rounds(self, long, short):
        return short if self.is_short else long

    def program(self, name, part):
        """Returns the path of a program, or notes that the part of the benchmarks that needs it does not run."""
        # Debian has nginx in a directory that only root has in PATH.
        path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
        if not path:
            self.skip(part, f"{name} is not installed; run .ci/setup")
        return path

    def skip(self, part, reason):
        self.not_run.append(part)
        print(f"bench: NOT RUN: {part}: {reason}", file=sys.stderr)

    def post(self, part):
        """Returns the command with which curl exchanges the token, or None."""
        curl = self.program("curl", part)
        fields = [text for name, value in self.sts.form().items() for text in ("--data-urlencode", f"{name}={value}")]
        return curl and [curl, "--silent", "--fail", "--output", "/dev/null", *fields, self.sts.url]

    def protected_sidecar(self):
        """Starts a sidecar whose endpoint requires an authorization token."""
        return Sidecar(
            [self.credvend], self.sts.environment, "--auth-token-file", authorization_file(self.scratch),
            headers={"Authorization": AUTHORIZATION},
        )


def authorization_file(directory):
    """Writes the file with the authorization token, and returns its path."""
    file = directory / "authorization"
    file.touch(mode=0o600)
    file.write_text(AUTHORIZATION)
    return file


def duration(command, environment):
    """Runs a program and returns how long it took, in milliseconds."""
    started = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - started) * 1000
