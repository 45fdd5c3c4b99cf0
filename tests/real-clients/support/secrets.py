"""What the clients saw and no log may hold."""

import base64
import threading
from urllib.parse import quote

# Long enough that chance never writes it, short enough that a secret cut in pieces is still found.
PIECE = 16


class Secrets:
    def __init__(self):
        self._secrets = {}
        self._lock = threading.Lock()

    def add(self, kind, secret):
        """Notes a secret; the same one may be seen by many clients."""
        with self._lock:
            self._secrets.setdefault(secret.strip(), kind)

    def add_credentials(self, document):
        """Those of an answer or a document, by whichever names it has."""
        for name in ("SecretAccessKey", "SessionToken", "Token"):
            if document.get(name):
                self.add(name, document[name])

    def kinds(self):
        """How many there are of each kind."""
        kinds = list(self._secrets.values())
        return {kind: kinds.count(kind) for kind in sorted(set(kinds))}

    def any(self):
        """One of them."""
        return next(iter(self._secrets))

    def found_in(self, text):
        """The kinds of those of which `text` holds a piece: plain, percent-encoded or in base64."""
        pieces = {text[start : start + PIECE] for start in range(len(text) - PIECE + 1)}
        return sorted({
            kind
            for secret, kind in list(self._secrets.items())
            for form in (secret, quote(secret, safe=""), base64.b64encode(secret.encode()).decode())
            if any(form[start : start + PIECE] in pieces for start in range(max(1, len(form) - PIECE + 1)))
        })
