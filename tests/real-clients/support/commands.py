"""Running commands to completion."""

import subprocess

from support.checks import CheckFailed


def run_command(command, seconds, **options):
    """Runs a command and returns the completed process, with its output as text. A timeout is a failed check."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, **options,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckFailed(f"{' '.join(words)}: did not exit within {seconds} s") from error


def stdout_of(completed):
    """Returns the stdout of a command. A non-zero exit code is a failed check."""
    if completed.returncode != 0:
        words = " ".join(completed.args)
        raise CheckFailed(f"{words}: exit code {completed.returncode}: {completed.stderr[-800:]}")
    return completed.stdout
