"""Prints one line per check and counts the results."""

import threading


class Checks:
    """Thread-safe."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self._lock = threading.Lock()

    def that(self, holds, what, why=""):
        """Records and prints a check; prints `why` if it failed. Returns whether it passed."""
        with self._lock:
            if holds:
                self.passed += 1
                print(f"ok    {what}")
            else:
                self.failed += 1
                print(f"FAIL  {what}{': ' if why else ''}{why}", flush=True)
        return bool(holds)
