"""A TLS server in front of the local STS, with faults that can change while it runs."""

import socket
import ssl
import threading
from contextlib import suppress


class TlsFront:
    """Accepts TLS connections on a free port and forwards their content to the local STS.

    `certificate` names a PEM file with key and certificates. `handshake` is `normal`, `close` (closes the connection on the
    first bytes), `silent` (never answers) or `plain` (answers in plain HTTP).
    """

    def __init__(self, stage, sts_url):
        host, port = sts_url.removeprefix("http://").rsplit(":", 1)
        self._upstream = (host, int(port))
        self.certificate = None
        self.handshake = "normal"
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._held = []
        self._open = set()
        threading.Thread(target=self._accept, daemon=True).start()
        stage.at_end(self._listener.close)

    def close_connections(self):
        """Closes the connections that are open, whose handshake may have been normal."""
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            if self.handshake == "silent":
                self._held.append(connection)
                return
            if self.handshake == "close":
                connection.recv(1)
                connection.close()
                return
            if self.handshake == "plain":
                connection.recv(1)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                connection.close()
                return
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
            with context.wrap_socket(connection, server_side=True) as stream, socket.create_connection(self._upstream) as upstream:
                self._open.add(stream)
                back = threading.Thread(target=_copy, args=(upstream, stream), daemon=True)
                back.start()
                _copy(stream, upstream)
                back.join()
                self._open.discard(stream)
        except OSError:
            connection.close()


def _copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
