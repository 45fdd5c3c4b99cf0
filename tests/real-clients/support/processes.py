"""Other programs: started, awaited, ended, and what they wrote to stderr kept."""

import re
import subprocess

from support.checks import CheckFailed
from support.deadline import until


class Background:
    """A program that goes on until the `with` block ends."""

    def __init__(self, world, name, command, env):
        self.name = name
        self.log = world.log_file(name)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                env=env, cwd=world.scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def output(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern, seconds=10):
        """The first match of `pattern` in what it wrote."""

        def probe():
            # Asked before reading, so the last words of a program that ended are read.
            ended = self.process.poll() is not None
            match = re.search(pattern, self.output(), re.MULTILINE)
            if ended and not match:
                raise CheckFailed(f"{self.name} ended with {self.process.returncode}: {self.output()[-2000:]}")
            return match

        return until(f"{self.name} to write {pattern!r}; it wrote {self.output()[-2000:]}", seconds, probe)


def run(world, name, command, env, seconds=60):
    """Runs a program to its end; `stderr` of what comes back is text, and kept in a log file as well."""
    log = world.log_file(name)
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=env, cwd=world.scratch, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckFailed(f"{name} did not end within {seconds} s") from error
    log.write_text(done.stderr)
    return done


def must(done):
    """What it printed, if it ended well."""
    if done.returncode != 0:
        words = " ".join(str(word) for word in done.args)
        raise CheckFailed(f"{words} ended with {done.returncode}: {done.stderr[-800:]}")
    return done.stdout
