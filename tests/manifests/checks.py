"""A line a check, and a count."""

import threading


class Checks:
    """Safe to use from several threads."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self._lock = threading.Lock()

    def that(self, holds, what, why=""):
        """Prints a line; `why` only where it does not hold. Returns whether it holds."""
        with self._lock:
            if holds:
                self.passed += 1
                print(f"ok    {what}")
            else:
                self.failed += 1
                print(f"FAIL  {what}{': ' if why else ''}{why}", flush=True)
        return bool(holds)
