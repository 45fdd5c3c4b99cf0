"""What was checked: one line each, and the count."""

import threading

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
