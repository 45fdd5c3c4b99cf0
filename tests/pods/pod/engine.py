"""podman, with storage and networks of its own."""

import subprocess

from support.checks import CheckFailed


class Engine:
    def __init__(self, program):
        self.program = program

    def may_fail(self, *arguments, seconds=60):
        """What podman was asked, done or not; its output is text."""
        command = [str(word) for word in (self.program, *arguments)]
        try:
            return subprocess.run(
                # podman leaves a file where it is when memory runs out.
                command, cwd=self.program.parent, stdin=subprocess.DEVNULL,
                capture_output=True, text=True, timeout=seconds,
            )
        except subprocess.TimeoutExpired as error:
            raise CheckFailed(f"podman {arguments[0]} did not end within {seconds} s") from error

    def __call__(self, *arguments, **more):
        """What podman printed; anything but success is a failed check."""
        done = self.may_fail(*arguments, **more)
        if done.returncode != 0:
            raise CheckFailed(f"podman {' '.join(map(str, arguments))}: {done.returncode}: {done.stderr[-800:]}")
        return done.stdout.strip()


def in_network_of(pid, *command, seconds=60):
    """Runs a program of this machine in the network namespace of a container's process."""
    words = ["nsenter", f"--net=/proc/{pid}/ns/net", *map(str, command)]
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
    if done.returncode != 0:
        raise CheckFailed(f"{' '.join(words)}: {done.returncode}: {done.stderr[-800:]}")
    return done.stdout
