"""A forward proxy that records the paths that clients send to it."""

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from matrix.gate import HOP_BY_HOP, QuietServer

CREDENTIALS_PATHS = ("/v1/credentials", "/latest/")


class Proxy:
    def __init__(self):
        proxy = self
        self.paths = []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def forward(self):
                url = urlsplit(self.path)
                proxy.paths.append(url.path)
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                connection = HTTPConnection(url.netloc, timeout=30)
                try:
                    headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                    connection.request(self.command, f"{url.path}?{url.query}" if url.query else url.path or "/", body, headers)
                    response = connection.getresponse()
                    answer = response.read()
                except OSError:
                    self.close_connection = True
                    return
                finally:
                    connection.close()
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_POST = do_HEAD = forward

            def do_CONNECT(self):
                proxy.paths.append(self.path)
                self.send_error(501)

            def log_message(self, *_):
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def saw_credentials(self):
        """Returns true if a request for credentials came here."""
        return any(path.startswith(CREDENTIALS_PATHS) for path in self.paths)
