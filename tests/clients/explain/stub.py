"""Servers on loopback and link-local addresses that answer as each source of credentials, with a key that names the source."""

from __future__ import annotations

import json
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# The source of each key. Two endpoints of one kind have different keys, to see which of them a client prefers.
SOURCES = {
    "AKIAENVIRONMENT00000": "environment",
    "AKIAKEYS000000000000": "keys",
    "ASIAPROCESS000000000": "process",
    "ASIACONTAINER0000000": "container",
    "ASIARELATIVE00000000": "container_relative",
    "ASIAMETADATA00000000": "instance_metadata",
    "ASIALOCALMETADATA000": "instance_metadata_variable",
    "ASIAWEBIDENTITY00000": "web_identity",
    "ASIAROLE000000000000": "role",
}
EXPIRATION = "2099-01-01T00:00:00Z"

ADDRESSES = {
    "container": [("127.0.0.1", 9911), ("::1", 9911), ("127.0.1.1", 9911), ("10.0.0.1", 9911), ("169.254.170.2", 80), ("169.254.170.23", 80)],
    "instance_metadata": [("127.0.0.1", 9912), ("169.254.169.254", 80)],
    "sts": [("127.0.0.1", 9913)],
    "s3": [("127.0.0.1", 9914)],
    # Clients without a setting for the endpoint of STS find its name in the DNS, and this listener.
    "tls": [("127.0.0.1", 443)],
    "proxy": [("127.0.0.1", 3128), ("127.0.0.1", 3129)],
}


class Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class Stub:
    """All servers of one network namespace. `events` are the kinds of the servers that were asked."""

    def __init__(self) -> None:
        # The authorization token that the container endpoint requires; none if it is empty.
        self.token = ""
        self.events: list[str] = []
        self.signed_with: list[str] = []
        for kind, addresses in ADDRESSES.items():
            for address in addresses:
                handler = type("Handler", (Handler,), {"stub": self, "kind": kind})
                server = (Server6 if ":" in address[0] else ThreadingHTTPServer)(address, handler)
                threading.Thread(target=server.serve_forever, daemon=True).start()
        threading.Thread(target=self.serve_dns, daemon=True).start()

    def serve_dns(self) -> None:
        """Answers each query for an IPv4 address with 127.0.0.1, and notes the queries for STS."""
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind(("127.0.0.1", 53))
        while True:
            query, client = server.recvfrom(512)
            end = query.index(b"\0", 12) + 1
            question, is_ipv4 = query[12 : end + 4], query[end : end + 2] == b"\0\1"
            if b"\3sts" in question:
                self.events.append("sts")
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\1" if is_ipv4 else b""
            header = query[:2] + b"\x81\x80\0\1\0" + bytes([is_ipv4]) + b"\0\0\0\0"
            server.sendto(header + question + answer, client)

    def reset(self) -> None:
        self.events, self.signed_with = [], []


def document(key: str) -> bytes:
    fields = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z", "AccessKeyId": key}
    return json.dumps(fields | {"SecretAccessKey": "secret", "Token": "token", "Expiration": EXPIRATION}).encode()


def sts_response(body: str) -> bytes:
    action = re.search(r"Action=(\w+)", body)[1]
    key = {"AssumeRole": "ASIAROLE000000000000", "AssumeRoleWithWebIdentity": "ASIAWEBIDENTITY00000"}[action]
    credentials = f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken>"
    return (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>{credentials}'
        f"<Expiration>{EXPIRATION}</Expiration></Credentials><AssumedRoleUser><Arn>arn:aws:sts::111111111111:assumed-role/r/s</Arn>"
        f"<AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser></{action}Result></{action}Response>"
    ).encode()


class Handler(BaseHTTPRequestHandler):
    stub: Stub
    kind: str
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", content_type: str = "text/plain", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Type": content_type, "Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def respond(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        kind = "proxy" if self.command == "CONNECT" or self.path.startswith("http://") else self.kind
        if kind == "proxy" and "sts" in self.path:
            kind = "sts"
        self.stub.events.append(kind)
        getattr(self, f"respond_{kind}")(body)

    def respond_container(self, _body: str) -> None:
        if self.path in ("", "/"):
            return self.answer(404)
        if self.stub.token and self.headers.get("Authorization") != self.stub.token:
            return self.answer(401)
        is_relative = self.server.server_address[0] == "169.254.170.2"
        key = "ASIARELATIVE00000000" if is_relative else "ASIACONTAINER0000000"
        return self.answer(200, document(key), "application/json")

    def respond_instance_metadata(self, _body: str) -> None:
        path = re.sub("/+", "/", self.path).rstrip("/")
        if self.command == "PUT":
            self.answer(200, b"token", x_aws_ec2_metadata_token_ttl_seconds="21600")
        elif path.endswith("/security-credentials"):
            self.answer(200, b"role")
        elif path.endswith("/security-credentials/role"):
            is_link_local = self.server.server_address[0] == "169.254.169.254"
            key = "ASIAMETADATA00000000" if is_link_local else "ASIALOCALMETADATA000"
            self.answer(200, document(key), "application/json")
        else:
            self.answer(404)

    def respond_sts(self, body: str) -> None:
        if self.command == "CONNECT":
            self.answer(502)
        elif "RoleArn=arn" not in (body or self.path):
            self.answer(400, b"<ErrorResponse><Error><Code>ValidationError</Code></Error></ErrorResponse>", "text/xml")
        else:
            self.answer(200, sts_response(body or self.path), "text/xml")

    def respond_s3(self, _body: str) -> None:
        credential = re.search(r"Credential=(\w+)/", self.headers.get("Authorization") or "")
        self.stub.signed_with.append(credential[1] if credential else "")
        self.answer(404, b"<Error><Code>NoSuchKey</Code><Message>none</Message></Error>", "application/xml")

    def respond_tls(self, _body: str) -> None:
        self.answer(400)

    def respond_proxy(self, _body: str) -> None:
        self.answer(502)

    do_GET = do_PUT = do_POST = do_HEAD = do_CONNECT = respond  # noqa: N815
