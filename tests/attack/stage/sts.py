"""The local STS with its control routes."""

import json
import urllib.request

from support.local_sts import LocalSts
from support.sts_requests import EXCHANGES

FOREVER = "forever"


class Sts(LocalSts):
    def control(self, method, path, body=None):
        """Calls a control route and returns the body of the response."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_local/{path}", data, method=method)
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read().decode()

    def fault(self, kind, times=FOREVER, action=None):
        """Appends a fault to the queue. `kind` is a name, or a dictionary of a name and its fields."""
        fault = {"kind": kind, "times": times}
        if action:
            fault["action"] = action
        self.control("POST", "faults", [fault])

    def clear_faults(self):
        self.control("DELETE", "faults")

    def set_clock(self, shift_seconds):
        self.control("PUT", "clock", {"shift_seconds": shift_seconds})

    def set_lifetime(self, seconds):
        self.control("PUT", "lifetime", {"seconds": seconds})

    def mint(self, **claims):
        """Returns a signed token."""
        token = self.control("POST", "token", claims)
        self._secrets.add("JWT", token)
        return token

    def exchange_records(self):
        """Returns the requests for credentials."""
        return self.requests(*EXCHANGES)

    def exchange_count(self):
        return len(self.exchange_records())
