"""The gate: stands before the local STS and S3, and knows which session signed each request.

credvend and the client each have a listener. The sessions that credvend gets through its own listener are *vended*; a session that
the client gets by itself, for example with variables of the EKS webhook, is not. Requests to STS go to the local STS, which verifies
them. Requests to S3 are verified here, and answered by moto, which runs in this process.
"""

import re
import threading
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from matrix import sigv4

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server", "expect", "proxy-connection"}
NAMESPACE = "{https://sts.amazonaws.com/doc/2011-06-15/}"


@dataclass(frozen=True)
class Session:
    access_key: str
    secret_key: str
    token: str
    expires_at: float
    arn: str
    # True if credvend got it.
    vended: bool


@dataclass(frozen=True)
class Call:
    """A request of the client. `session` is None if it was not signed with a known access key."""

    at: float
    session: Session | None
    accepted: bool
    reason: str


class Gate:
    def __init__(self, sts_url):
        self._sts = urlsplit(sts_url).netloc
        self._lock = threading.Lock()
        self.sessions = {}
        self.calls = []
        self._servers = []
        self.vendor_url = self._listen(vended=True)
        self.client_url = self._listen(vended=False)

    def close(self):
        for server in self._servers:
            server.shutdown()
            server.server_close()

    def calls_since(self, moment):
        with self._lock:
            return [call for call in self.calls if call.at >= moment]

    def latest_vended(self):
        """Returns the session that credvend got last, of the last role of the chain."""
        vended = [session for session in self.sessions.values() if session.vended]
        return vended[-1] if vended else None

    def _listen(self, vended):
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # Headers and body in one packet.
            wbufsize = -1

            def handle_any(self):
                body = self._body()
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, answer_headers, answer = gate.answer(self.command, self.path, headers, body, vended)
                self.send_response(status)
                for name, value in answer_headers:
                    if name.lower() not in HOP_BY_HOP:
                        self.send_header(name, value)
                self.send_header("Content-Length", self.headers_length(answer_headers, answer))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_any

            def headers_length(self, headers, answer):
                stated = [value for name, value in headers if name.lower() == "content-length"]
                return stated[0] if self.command == "HEAD" and stated else str(len(answer))

            def _body(self):
                if self.headers.get("transfer-encoding", "").lower() == "chunked":
                    pieces = []
                    while size := int(self.rfile.readline().split(b";")[0], 16):
                        pieces.append(self.rfile.read(size))
                        self.rfile.readline()
                    self.rfile.readline()
                    return b"".join(pieces)
                return self.rfile.read(int(self.headers.get("content-length") or 0))

            def log_message(self, *_):
                pass

        server = QuietServer(("127.0.0.1", 0), Handler)
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    def answer(self, method, target, headers, body, vended):
        is_sts = (method == "POST" and b"Action=" in body) or "Action=" in target
        if is_sts:
            return self._answer_of_sts(method, target, headers, body, vended)
        return self._answer_of_s3(method, target, headers, body)

    def _answer_of_sts(self, method, target, headers, body, vended):
        connection = HTTPConnection(self._sts, timeout=30)
        try:
            sent = {name: value for name, value in headers.items() if name not in ("connection", "content-length")}
            connection.request(method, target, body, sent)
            response = connection.getresponse()
            status, answer_headers, answer = response.status, response.getheaders(), response.read()
        except OSError as error:
            return 502, [], str(error).encode()
        finally:
            connection.close()
        if status == 200 and b"<AssumedRoleUser>" in answer:
            self._remember(answer, vended)
        if b"GetCallerIdentity" in body + target.encode():
            code = re.search(rb"<Code>(\w+)", answer)
            self._record(sigv4.access_key(headers), status == 200, f"{status} {code[1].decode() if code else ''}".strip())
        return status, answer_headers, answer

    def _remember(self, answer, vended):
        root = ElementTree.fromstring(answer)
        text = {element.tag.removeprefix(NAMESPACE): element.text for element in root.iter()}
        expires_at = datetime.fromisoformat(text["Expiration"].replace("Z", "+00:00")).timestamp()
        session = Session(text["AccessKeyId"], text["SecretAccessKey"], text["SessionToken"], expires_at, text["Arn"], vended)
        with self._lock:
            self.sessions[session.access_key] = session

    def _answer_of_s3(self, method, target, headers, body):
        key = sigv4.access_key(headers)
        session = self.sessions.get(key)
        if not key:
            code = "AccessDenied"
        elif not session:
            code = "InvalidAccessKeyId"
        elif not sigv4.is_signed_with(session.secret_key, method, target, headers, body):
            code = "SignatureDoesNotMatch"
        elif headers.get("x-amz-security-token") != session.token:
            code = "InvalidToken"
        elif time.time() >= session.expires_at:
            code = "ExpiredToken"
        else:
            self._record(key, True, "200")
            from matrix import store

            return store.answer(method, target, headers, body)
        self._record(key, False, f"403 {code}")
        document = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>refused by the gate</Message></Error>'
        return 403, [("Content-Type", "application/xml")], document.encode()

    def _record(self, key, accepted, reason):
        with self._lock:
            self.calls.append(Call(time.monotonic(), self.sessions.get(key), accepted, reason if key else f"{reason} (not signed)"))


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    # Crowds of connections at the start of a program.
    request_queue_size = 64

    def handle_error(self, request, client_address):
        """Clients that close connections early are no errors."""
