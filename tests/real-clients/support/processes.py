"""Child processes, with their stderr in log files."""

import socket
import subprocess

from support.commands import run_command
from support.waiting import wait_for_output


class BackgroundProcess:
    """A process that runs until the `with` block ends."""

    def __init__(self, context, name, command, env):
        self.name = name
        self.log = context.log_file(name)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(word) for word in command],
                env=env, cwd=context.scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.is_running():
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def is_running(self):
        return self.process.poll() is None

    def output(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, pattern, seconds=10):
        """Returns the first match of `pattern` in the output."""
        return wait_for_output(self.name, pattern, seconds, self.output, self.is_running)


def run_program(context, name, command, env, seconds=60):
    """Runs a program to completion, and also writes its stderr to a log file."""
    log = context.log_file(name)
    completed = run_command(command, seconds, env=env, cwd=context.scratch)
    log.write_text(completed.stderr)
    return completed


def free_port():
    """Returns a port that no process listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
