"""Waiting for conditions in the cluster."""

import time

from support.checks import CheckFailed

# Most probes start kubectl, which takes a tenth of a second of CPU time.
INTERVAL = 0.25


def wait_until(condition, seconds, probe):
    """Calls `probe` repeatedly and returns its first truthy result. A timeout is a failed check."""
    end = time.monotonic() + seconds
    while not (result := probe()):
        if time.monotonic() > end:
            raise CheckFailed(f"timed out after {seconds} s waiting until {condition}")
        time.sleep(INTERVAL)
    return result
