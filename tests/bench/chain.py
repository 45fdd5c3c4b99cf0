"""Chains of roles: the accounts of the local STS, and the time that STS itself takes for each hop."""

import datetime
import re
import time
import urllib.parse

from processes import connect

from matrix import sigv4
from support.roles import ROLE_A

HOPS = 5
REGION = "eu-central-1"


def role(hop):
    """Returns the ARN of the role of a hop; the first one is 1."""
    return ROLE_A if hop == 1 else f"arn:aws:iam::{str(hop) * 12}:role/hop-{hop}"


def world():
    """Returns the accounts of the local STS: each role may assume the next one."""
    provider = f"arn:aws:iam::{'1' * 12}:oidc-provider/{{issuer_host}}"
    accounts = {}
    for hop in range(1, HOPS + 1):
        trust = {"Effect": "Allow", "Principal": {"AWS": role(hop - 1)}, "Action": "sts:AssumeRole"}
        if hop == 1:
            trust = {
                "Effect": "Allow", "Principal": {"Federated": provider}, "Action": "sts:AssumeRoleWithWebIdentity",
                "Condition": {"StringEquals": {"{issuer_host}:aud": "sts.amazonaws.com"}},
            }
        account = {"roles": {role(hop).rpartition("/")[2]: {"trust": policy(trust)}}}
        if hop == 1:
            account["oidc_providers"] = [{"url": "{issuer}", "client_ids": ["sts.amazonaws.com"]}]
        if hop < HOPS:
            next(iter(account["roles"].values()))["policies"] = [
                policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": role(hop + 1)}),
            ]
        accounts[str(hop) * 12] = account
    return {"accounts": accounts}


def policy(statement):
    return {"Version": "2012-10-17", "Statement": statement}


class Client:
    """A client of STS on one open connection that prepares each request before the time starts."""

    def __init__(self, sts):
        self.sts = sts
        self.socket = connect(sts.address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def times(self):
        """Returns the time that STS takes for each hop of the longest chain, in milliseconds."""
        elapsed, response = self.call(self.sts.form(), {})
        times = [elapsed]
        for hop in range(2, HOPS + 1):
            form = {"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": role(hop), "RoleSessionName": "bench"}
            body = urllib.parse.urlencode(form)
            elapsed, response = self.call(form, signed_headers(self.sts.address, body, credentials(response)))
            times.append(elapsed)
        return times

    def call(self, form, headers):
        """Returns the time from the last byte of the request to the last byte of the response, and the response."""
        body = urllib.parse.urlencode(form)
        lines = [
            "POST / HTTP/1.1", f"Host: {self.sts.address}", "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items()),
        ]
        request = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
        received = b""
        started = time.perf_counter()
        self.socket.sendall(request)
        while b"</Assume" not in received:
            more = self.socket.recv(65536)
            assert more and b"</ErrorResponse>" not in more, received + more
            received += more
        return (time.perf_counter() - started) * 1000, received.decode()


def credentials(response):
    return [re.search(f"<{name}>([^<]+)<", response)[1] for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")]


def signed_headers(host, body, keys):
    """Returns the headers that sign a request with AWS Signature Version 4."""
    access_key_id, secret_key, session_token = keys
    date = datetime.datetime.now(datetime.UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"x-amz-date": date, "x-amz-security-token": session_token}
    names, scope = ";".join(["host", *headers]), f"{date[:8]}/{REGION}/sts/aws4_request"
    signature = sigv4.signature_of(secret_key, "POST", "/", {"host": host, **headers}, names, scope, body.encode())
    return {
        **headers,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}",
    }
