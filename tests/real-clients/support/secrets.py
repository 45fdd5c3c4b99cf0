"""The secrets that the tests have seen and that no log may contain."""

import base64
import threading
from urllib.parse import quote

# Long enough that the same text does not occur by chance, and short enough to find parts of a secret.
PIECE = 16


class Secrets:
    def __init__(self):
        self._secrets = {}
        self._lock = threading.Lock()

    def add(self, kind, secret):
        """Adds a secret, unless it is already known."""
        with self._lock:
            self._secrets.setdefault(secret.strip(), kind)

    def add_credentials(self, document):
        """Adds the secrets of a credentials document."""
        for name in ("SecretAccessKey", "SessionToken", "Token"):
            if document.get(name):
                self.add(name, document[name])

    def kinds(self):
        """Returns the number of secrets of each kind."""
        kinds = list(self._secrets.values())
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def any(self):
        """Returns one of the secrets."""
        return next(iter(self._secrets))

    def found_in(self, text):
        """Returns the kinds of the secrets of which `text` contains a piece: plain, percent-encoded or in base64."""
        pieces = {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}
        return sorted({
            kind
            for secret, kind in list(self._secrets.items())
            for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode())
            if any(form[start : start + PIECE] in pieces for start in range(max(1, len(form) - PIECE + 1)))
        })
