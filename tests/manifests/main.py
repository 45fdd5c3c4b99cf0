"""Runs every check: `python main.py [--required] [--update] CREDVEND LOCAL_STS`. Exits 1 where any failed."""

import sys
import time

import alerts
import rendered
import restricted
import schemas
import symptoms
import words
from checks import Checks


def main(arguments):
    options = {argument for argument in arguments if argument.startswith("--")}
    credvend, local_sts = (argument for argument in arguments if not argument.startswith("--"))
    started = time.monotonic()
    checks = Checks()
    stories = rendered.compare(checks, required="--required" in options, update="--update" in options)
    restricted.check(checks, stories)
    words.check(checks, stories)
    schemas.check(checks, stories)
    alerts.check(checks, credvend, local_sts, required="--required" in options)
    symptoms.check(checks, credvend, local_sts)
    print(f"in {time.monotonic() - started:.0f} s")
    print(f"manifests: {checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
