"""Runs every check of the chart: `python main.py [--required] [--update]`. Exits with 1 if a check failed.

The environment variable HELM names the program; if it is empty, only the copies in the chart are checked.
"""

import os
import sys

import copies
import equality
import patterns
import templates
from checks import Checks
from helm import Helm


def main(options):
    required = "--required" in options
    update = "--update" in options
    checks = Checks()
    copies.check(checks, update)
    patterns.check(checks)
    if os.environ["HELM"]:
        with Helm(os.environ["HELM"]) as helm:
            templates.check(checks, helm, update)
            equality.check(checks, helm, required)
    else:
        print("chart: NOT RENDERED: Go is missing, which builds Helm")
        checks.that(not required, "Go is available to build Helm")
    print(f"chart: {checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main(set(sys.argv[1:])))
