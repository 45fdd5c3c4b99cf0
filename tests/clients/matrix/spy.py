"""A relay between the client and credvend that records when credentials are fetched, and can spoil their documents."""

import json
import threading
import time
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

from matrix.gate import HOP_BY_HOP, QuietServer

WRONG_SECRET = "0" * 40


def wrong_secret(document):
    document["SecretAccessKey"] = WRONG_SECRET


def missing_token(document):
    del document["Token"]


def past_expiry(document):
    document["Expiration"] = "2020-01-01T00:00:00Z"


SPOILS = {"wrong secret": wrong_secret, "missing token": missing_token, "past expiry": past_expiry}


class Spy:
    def __init__(self, port, spoil):
        spy = self
        # The times of successful requests for credentials.
        self.fetches = []
        self.statuses = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def relay(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP | {"host"}}
                headers["Host"] = f"127.0.0.1:{port}"
                connection = HTTPConnection("127.0.0.1", port, timeout=30)
                try:
                    connection.request(self.command, self.path, body, headers)
                    response = connection.getresponse()
                    answer = response.read()
                except OSError:
                    self.close_connection = True
                    return
                finally:
                    connection.close()
                spy.statuses.append(response.status)
                if b"SecretAccessKey" in answer:
                    spy.fetches.append(time.time())
                    if spoil:
                        document = json.loads(answer)
                        spoil(document)
                        answer = json.dumps(document).encode()
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = relay

            def log_message(self, *_):
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()
