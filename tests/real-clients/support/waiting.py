"""Waiting for conditions."""

import re
import time

from support.checks import CheckFailed


def wait_until(condition, seconds, probe):
    """Calls `probe` repeatedly and returns its first truthy result. A timeout is a failed check."""
    end = time.monotonic() + seconds
    while True:
        result = probe()
        if result:
            return result
        if time.monotonic() > end:
            raise CheckFailed(f"timed out after {seconds} s waiting until {condition}")
        time.sleep(0.02)


def wait_for_output(name, pattern, seconds, output, is_running):
    """Waits until the output of a program matches `pattern`, and returns the match.

    `output` returns all output so far, `is_running` whether the program still runs. It is a failed check if the program
    exits without a match.
    """

    def probe():
        # Query the state before the output, so that the last output of a program that exits is read.
        running = is_running()
        match = re.search(pattern, output(), re.MULTILINE)
        if not running and not match:
            raise CheckFailed(f"{name} exited without writing {pattern!r}")
        return match

    try:
        return wait_until(f"{name} writes {pattern!r}", seconds, probe)
    except CheckFailed as failure:
        raise CheckFailed(f"{failure}; it wrote: {output()[-2000:]}") from failure
