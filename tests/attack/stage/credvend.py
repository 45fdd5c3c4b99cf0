"""A running credvend process."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from stage import proc
from support.processes import BackgroundProcess
from support.waiting import wait_until

CREDENTIALS_URL = r"http://127\.0\.0\.1:\d+/v1/credentials"


class Credvend(BackgroundProcess):
    """`credvend run` on a free port, possibly behind a program that starts it."""

    def __init__(self, stage, command, variables):
        self._stage = stage
        self._variables = {"CREDVEND_LISTEN": "127.0.0.1:0", **variables}
        self.url = None
        super().__init__(stage, "credvend", command, stage.environment(**self._variables))

    def wait_until_ready(self, seconds=20):
        self.find_url(seconds)
        wait_until("credvend is ready", seconds, lambda: self.get("/readyz")[0] == 200)
        return self

    def find_url(self, seconds=10):
        """Waits for the log line with the endpoint's URL."""
        self.url = self.wait_for(CREDENTIALS_URL, seconds)[0]
        self.address = re.search(r"//([^/]+)/", self.url)[1]
        return self.url

    @property
    def pid(self):
        """The process ID of credvend. Behind `unshare --fork`, that is the child."""
        child = proc.children(self.process.pid)
        return child[0] if child and proc.name(self.process.pid) == "unshare" else self.process.pid

    @property
    def usage(self):
        return proc.Usage(self.pid)

    def get(self, path="/v1/credentials", timeout=5):
        """Sends a GET request and returns the status and the body. A connection error is the status 0."""
        request = urllib.request.Request(f"http://{self.address}{path}")
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def credentials(self):
        """Returns the credentials that the endpoint serves, or None."""
        status, body = self.get()
        if status != 200:
            return None
        document = json.loads(body)
        self._stage.secrets.add_credentials(document)
        return document

    def key(self):
        """Returns the access key ID that the endpoint serves, or None."""
        document = self.credentials()
        return document and document["AccessKeyId"]

    def health(self, seconds=15):
        """Runs `credvend health` and returns its exit code and its duration."""
        env = self._stage.environment(CREDVEND_LISTEN=self.address)
        started = time.monotonic()
        try:
            code = subprocess.run(
                [str(self._stage.credvend), "health"], env=env, capture_output=True, timeout=seconds,
            ).returncode
        except subprocess.TimeoutExpired:
            code = None
        return code, time.monotonic() - started

    def send(self, number):
        os.kill(self.pid, number)

    def reload(self):
        self.send(signal.SIGHUP)

    def terminate(self, number=signal.SIGTERM, seconds=15):
        """Sends a signal and returns the exit code and the time until the process ended. Exit code None: it did not end."""
        started = time.monotonic()
        self.send(number)
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            code = None
        return code, time.monotonic() - started

    def log_lines(self, pattern):
        return [line for line in self.output().splitlines() if re.search(pattern, line)]
