"""Waiting for something, never for a time."""

import time

from support.checks import CheckFailed


def until(what, seconds, probe):
    """The first truthy answer of `probe`, asked again and again; a failed check after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise CheckFailed(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)
