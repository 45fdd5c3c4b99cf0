"""Twenty clients of the soak: new connections, kept connections and readers of the credentials file."""

import http.client
import threading
import time
from collections import Counter

from stage.credentials_file import KEYS, sections

NEW_CONNECTIONS = 8
KEPT_CONNECTIONS = 8
READERS = 4
INTERVAL = 0.25


class Clients:
    """Runs until the `with` block ends. A failure at a time that is tolerated counts separately."""

    def __init__(self, address, folder, stage):
        self._address, self._folder, self._stage = address, folder, stage
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._tolerated_until = 0.0
        kinds = [self._new_connection] * NEW_CONNECTIONS + [self._kept_connection] * KEPT_CONNECTIONS + [self._reader] * READERS
        self._threads = [threading.Thread(target=self._run, args=(kind,), daemon=True) for kind in kinds]
        self.count = len(kinds)
        self.requests = self.failed = self.tolerated = 0
        self.errors = Counter()
        # The times of the failures, in UTC as in the log of credvend.
        self.failed_at = set()

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(10)

    def tolerate(self, seconds):
        """Tolerates failures from now on for this time."""
        self._tolerated_until = time.monotonic() + seconds

    def _run(self, kind):
        state = {}
        while not self._stop.wait(INTERVAL):
            started = time.monotonic()
            try:
                error = kind(state)
            except (OSError, http.client.HTTPException) as problem:
                state.clear()
                error = type(problem).__name__
            if not error and time.monotonic() - started > 1:
                error = "slower than 1 s"
            self._count(error)

    def _count(self, error):
        with self._lock:
            self.requests += 1
            if not error:
                return
            if time.monotonic() < self._tolerated_until:
                self.tolerated += 1
            else:
                self.failed += 1
                self.errors[error] += 1
                self.failed_at.add(time.strftime("%H:%M:%S", time.gmtime()))

    def _new_connection(self, _state):
        return self._request(self._connect(), "close")

    def _kept_connection(self, state):
        if "connection" not in state:
            state["connection"] = self._connect()
        return self._request(state["connection"], "keep-alive")

    def _connect(self):
        return http.client.HTTPConnection(self._address, timeout=5)

    def _request(self, connection, keep):
        token = (self._folder / "token").read_text()
        connection.request("GET", "/v1/credentials", headers={"Authorization": token, "Connection": keep})
        response = connection.getresponse()
        body = response.read()
        if keep == "close":
            connection.close()
        return None if response.status == 200 and b"SecretAccessKey" in body else f"status {response.status}"

    def _reader(self, _state):
        found = sections(self._folder / "credentials").get("default", {})
        return None if set(KEYS) <= set(found) else "incomplete file"
