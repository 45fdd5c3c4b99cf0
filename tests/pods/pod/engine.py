"""podman, with its own storage and networks."""

from support.commands import run_command, stdout_of


class Engine:
    def __init__(self, program):
        self.program = program

    def try_run(self, *arguments, seconds=60):
        """Runs podman and returns the completed process, also if it failed."""
        # podman leaves a file in its working directory when a container runs out of memory.
        return run_command([self.program, *arguments], seconds, cwd=self.program.parent)

    def __call__(self, *arguments, **options):
        """Runs podman and returns its stdout. A failure is a failed check."""
        return stdout_of(self.try_run(*arguments, **options)).strip()


def run_in_network_of(pid, *command, seconds=60):
    """Runs a program of this machine in the network namespace of a process, and returns its stdout."""
    return stdout_of(run_command(["nsenter", f"--net=/proc/{pid}/ns/net", *command], seconds))
