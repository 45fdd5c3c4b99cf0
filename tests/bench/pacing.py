#!/usr/bin/env python3
"""Measures how long 300 profiles take at an STS that accepts 20 calls a second, and how many calls it throttles.

    pacing.py CREDVEND LOCAL_STS

The goals: at most 1.2 times the 15 s that the calls take, and at most 5 % of the calls throttled.
"""

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from processes import LocalSts

PROFILES = 300
RATE = 20


def main(credvend, local_sts):
    with tempfile.TemporaryDirectory(prefix="pacing-") as name:
        with LocalSts(local_sts, name, "--rate-limit", str(RATE)) as sts:
            return measure(credvend, sts, Path(name))


def measure(credvend, sts, scratch):
    config = sts.profiles(scratch / "config", PROFILES)
    environment = {"AWS_CONFIG_FILE": str(config), "AWS_ENDPOINT_URL_STS": sts.url, "AWS_REGION": "eu-central-1"}
    command = [credvend, "run", "--once", "--timeout", "5m", "--all-profiles", "--log-level", "error", "--credentials-file", scratch / "credentials"]
    started = time.monotonic()
    ended = subprocess.run(command, env=environment, check=False)
    seconds = time.monotonic() - started
    with urllib.request.urlopen(f"{sts.url}/_local/requests") as response:
        results = [request["code"] for request in json.load(response)]
    written = (scratch / "credentials").read_text().count("aws_session_token")
    throttled = results.count("Throttling")
    part = throttled / len(results)
    print(f"{PROFILES} profiles at {RATE} calls/s: {written} written after {seconds:.1f} s, {len(results)} calls, {throttled} throttled ({part:.1%})")
    return ended.returncode == 0 and written == PROFILES and seconds <= 1.2 * PROFILES / RATE and part <= 0.05


if __name__ == "__main__":
    sys.exit(0 if main(*sys.argv[1:]) else 1)
