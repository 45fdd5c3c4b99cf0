"""Checks: each prints one line, and they are counted."""

import threading
import time
import traceback

# Suites run in parallel; their lines must not be interleaved.
_print_lock = threading.Lock()


class CheckFailed(Exception):
    """A check failed, or an awaited condition did not become true."""


class Checks:
    """The checks of one suite."""

    def __init__(self, suite):
        self.suite = suite
        self.passed = 0
        self.failed = 0
        self.duration = 0.0

    def that(self, description, condition, found=""):
        """Checks that the condition is true; `found` is shown if it is not."""
        if not condition:
            raise CheckFailed(f"{description}: found {found!r}" if found != "" else description)
        self.passed += 1
        self._print("ok", description)

    def equal(self, description, found, expected):
        if found != expected:
            raise CheckFailed(f"{description}: found {found!r}, expected {expected!r}")
        self.that(description, True)

    def fail(self, reason):
        self.failed += 1
        self._print("FAILED", str(reason).rstrip())

    def _print(self, result, text):
        with _print_lock:
            print(f"{result:6} {self.suite}: {text}", flush=True)


def short_name(suite):
    """Returns the last part of a module's name."""
    return suite.__name__.rpartition(".")[2]


def run(suite, context):
    """Runs a suite until its first failed check, and returns its checks."""
    checks, started = Checks(short_name(suite)), time.monotonic()
    try:
        suite.run(context, checks)
    except CheckFailed as failure:
        checks.fail(failure)
    except Exception:
        checks.fail(traceback.format_exc())
    checks.duration = time.monotonic() - started
    return checks


def summary(title, results):
    """Prints the duration of each suite and the number of checks, and returns the exit code."""
    passed = sum(checks.passed for checks in results)
    failed = sum(checks.failed for checks in results)
    print("; ".join(f"{checks.suite} {checks.duration:.0f} s" for checks in results))
    print(f"{title}: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
