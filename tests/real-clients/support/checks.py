"""What was checked: one line each, and the count."""

import threading
import time
import traceback

# Suites run beside each other; their lines must not mix.
_printing = threading.Lock()


class CheckFailed(Exception):
    """A check that did not hold, or something awaited that did not come."""


class Checks:
    """The checks of one suite."""

    def __init__(self, suite):
        self.suite = suite
        self.passed = 0
        self.failed = 0
        self.took = 0.0

    def that(self, what, holds, found=""):
        if not holds:
            raise CheckFailed(f"{what}: found {found!r}" if found != "" else what)
        self.passed += 1
        self._print("ok", what)

    def equal(self, what, found, expected):
        self.that(what, found == expected, f"{found!r}, not {expected!r}")

    def fail(self, why):
        self.failed += 1
        self._print("FAILED", str(why).rstrip())

    def _print(self, result, what):
        with _printing:
            print(f"{result:6} {self.suite}: {what}", flush=True)


def short(suite):
    """A module's own name."""
    return suite.__name__.rpartition(".")[2]


def run(suite, world):
    """A suite ends at its first failed check; the others still run."""
    checks, started = Checks(short(suite)), time.monotonic()
    try:
        suite.run(world, checks)
    except CheckFailed as failure:
        checks.fail(failure)
    except Exception:
        checks.fail(traceback.format_exc())
    checks.took = time.monotonic() - started
    return checks


def summary(title, results):
    """Prints what each took, and the count; the exit code of all."""
    passed = sum(checks.passed for checks in results)
    failed = sum(checks.failed for checks in results)
    print("; ".join(f"{checks.suite} {checks.took:.0f} s" for checks in results))
    print(f"{title}: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
