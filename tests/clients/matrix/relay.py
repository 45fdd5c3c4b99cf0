"""A server that passes requests on to another one. The proxy and the spy are built on it."""

import threading
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

from matrix.gate import HOP_BY_HOP, QuietServer


class Relay:
    """Serves at `url` until the `with` block ends or `close` is called."""

    def __init__(self):
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body in one packet.
            wbufsize = -1

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
                host, target = relay.route(self.path, headers)
                connection = HTTPConnection(host, timeout=30)
                try:
                    connection.request(self.command, target, body, headers)
                    response = connection.getresponse()
                    answer = response.read()
                except OSError:
                    self.close_connection = True
                    return
                finally:
                    connection.close()
                answer = relay.answered(response.status, answer)
                self.send_response(response.status)
                for name, value in response.getheaders():
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_PUT = do_POST = do_HEAD = pass_on

            def do_CONNECT(self):
                relay.refused_tunnel(self.path)
                self.send_error(501)

            def log_message(self, *_):
                pass

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def route(self, target, headers):
        """Returns the host and the target to pass a request on to. May change the headers."""
        raise NotImplementedError

    def answered(self, status, answer):
        """Returns the body to answer with."""
        return answer

    def refused_tunnel(self, address):
        """Is called when a client wants a tunnel, which it does not get."""
