"""Sends GET requests, each on a new connection, until stdin is closed: `good_client.py URL INTERVAL TIMEOUT AUTHORIZATION`.

Prints the number of requests and their latencies as JSON. Only a complete 200 response counts as success.
"""

import json
import select
import socket
import statistics
import sys
import time
from collections import Counter
from urllib.parse import urlsplit


def main(url, interval, timeout, authorization):
    parts = urlsplit(url)
    head = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
    if authorization:
        head += f"Authorization: {authorization}\r\n"
    request = f"{head}\r\n".encode()
    latencies, errors = [], Counter()
    while not select.select([sys.stdin], [], [], interval)[0]:
        started = time.monotonic()
        try:
            status = fetch((parts.hostname, parts.port), request, timeout)
            if status != "200":
                errors[status] += 1
        except OSError as error:
            errors[type(error).__name__] += 1
        latencies.append(time.monotonic() - started)
    json.dump({
        "requests": len(latencies), "failed": sum(errors.values()), "errors": dict(errors),
        "maximum": max(latencies, default=None), "median": statistics.median(latencies) if latencies else None,
    }, sys.stdout)


def fetch(address, request, timeout):
    """Returns the status of the response as text; `cut` if the response is incomplete."""
    deadline = time.monotonic() + timeout
    with socket.create_connection(address, timeout) as connection:
        connection.sendall(request)
        response = b""
        while True:
            connection.settimeout(max(0.001, deadline - time.monotonic()))
            piece = connection.recv(65536)
            if not piece:
                break
            response += piece
    head, separator, body = response.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next((line.partition(":")[2] for line in lines if line.startswith("content-length:")), "-1")
    return lines[0].split(" ")[1] if separator and len(body) == int(length) else "cut"


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
