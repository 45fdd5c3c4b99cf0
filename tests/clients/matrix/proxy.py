"""A forward proxy that records the paths that clients send to it."""

from urllib.parse import urlsplit

from matrix.relay import Relay

CREDENTIALS_PATHS = ("/v1/credentials", "/latest/")


class Proxy(Relay):
    def __init__(self):
        self.paths = []
        super().__init__()

    def route(self, target, headers):
        url = urlsplit(target)
        self.paths.append(url.path)
        return url.netloc, f"{url.path}?{url.query}" if url.query else url.path or "/"

    def refused_tunnel(self, address):
        self.paths.append(address)

    def saw_credentials(self):
        """Returns true if a request for credentials came here."""
        return any(path.startswith(CREDENTIALS_PATHS) for path in self.paths)
