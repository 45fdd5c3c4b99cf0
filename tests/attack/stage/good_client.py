"""A client that opens a new connection for each request, in its own process."""

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "programs/good_client.py"


class GoodClient:
    """Sends requests until the `with` block ends or `stop` is called, and then has their number and latencies."""

    def __init__(self, stage, url, interval=0.05, timeout=5.0, authorization=""):
        self._log = stage.log_file("good-client")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-B", str(PROGRAM), url, str(interval), str(timeout), authorization],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
            )
        self.result = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.result is None:
            self._process.kill()
            self._process.wait()
            self._process.stdin.close()
            self._process.stdout.close()

    def stop(self):
        """Stops the client and returns `requests`, `failed`, `errors`, `maximum` and `median` (in seconds)."""
        output, _ = self._process.communicate()
        self.result = json.loads(output)
        return self.result

    def report(self, report, limit=0.3):
        """Stops the client and reports its figures."""
        result = self.stop()
        report.figure("requests of the good client", result["requests"], at_least=10)
        report.figure("failed", result["failed"], exactly=0)
        report.figure("maximum latency", result["maximum"], "s", at_most=limit)
        if result["failed"]:
            report.fail(f"errors of the good client: {result['errors']}")
