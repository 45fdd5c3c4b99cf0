"""Runs every check: `python main.py [--required] [--update] CREDVEND LOCAL_STS`. Exits with 1 if a check failed.

With `--picture`, draws the dashboard instead.
"""

import sys
import time

import alerts
import commands
import dashboard
import picture
import references
import rendered
import restricted
import schemas
import symptoms
from checks import Checks


def main(arguments):
    options = {argument for argument in arguments if argument.startswith("--")}
    credvend, local_sts = (argument for argument in arguments if not argument.startswith("--"))
    if "--picture" in options:
        return picture.draw(credvend, local_sts)
    required = "--required" in options
    started = time.monotonic()
    checks = Checks()
    stories = rendered.compare(checks, required, update="--update" in options)
    restricted.check(checks, stories)
    references.check(checks, stories, credvend)
    schemas.check(checks, stories)
    alerts.check(checks, credvend, local_sts, required)
    dashboard.check(checks, credvend, local_sts, required)
    symptoms.check(checks, credvend, local_sts)
    commands.check(checks, stories, credvend, local_sts, required)
    print(f"in {time.monotonic() - started:.0f} s")
    print(f"manifests: {checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
