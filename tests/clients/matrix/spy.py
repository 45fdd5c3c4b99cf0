"""A relay between the client and credvend that records when credentials are fetched, and can spoil their documents."""

import json
import time

from matrix.relay import Relay

WRONG_SECRET = "0" * 40


def wrong_secret(document):
    document["SecretAccessKey"] = WRONG_SECRET


def missing_token(document):
    del document["Token"]


def past_expiry(document):
    document["Expiration"] = "2020-01-01T00:00:00Z"


SPOILS = {"wrong secret": wrong_secret, "missing token": missing_token, "past expiry": past_expiry}


class Spy(Relay):
    def __init__(self, port, spoil):
        self._host = f"127.0.0.1:{port}"
        self._spoil = spoil
        # The times of successful requests for credentials.
        self.fetches = []
        self.statuses = []
        super().__init__()

    def route(self, target, headers):
        for name in [name for name in headers if name.lower() == "host"]:
            del headers[name]
        headers["Host"] = self._host
        return self._host, target

    def answered(self, status, answer):
        self.statuses.append(status)
        if b"SecretAccessKey" not in answer:
            return answer
        self.fetches.append(time.time())
        if not self._spoil:
            return answer
        document = json.loads(answer)
        self._spoil(document)
        return json.dumps(document).encode()
