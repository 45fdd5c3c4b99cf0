"""The protocol of the suite."""

import os
import sys

ENDPOINT = os.environ["PROBE_ENDPOINT"]
ADDRESS = ENDPOINT.removeprefix("http://")


def run(call):
    """Makes a call for each line on stdin, and prints `ok`, or `error` and a message."""
    for _ in sys.stdin:
        try:
            call()
            print("ok", flush=True)
        except Exception as error:
            print("error", type(error).__name__, " ".join(str(error).split()), flush=True)
