"""Sends requests at a constant rate, and prints the percentiles of their latency as JSON, in milliseconds.

    open_loop.py ADDRESS RATE SECONDS AUTHORIZATION

The latency of a request counts from the time at which it was due, so that a server that pauses is charged for every request that was
due in the pause (no coordinated omission). A request goes out on a kept connection that is idle, or on a new one. This program exists
because the timers of vegeta and oha have a resolution of a millisecond, which is the goal for the latency; those of `select` are exact.
"""

import contextlib
import ctypes
import gc
import json
import os
import select
import sys
import time

from processes import connect

PR_SET_TIMERSLACK = 29


def become_precise():
    """Makes the kernel wake this process in time."""
    # By default, the kernel wakes a process up to 50 µs late to save energy.
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    gc.disable()


class Connection:
    """A connection with at most one request on the way."""

    def __init__(self, address):
        self.socket = connect(address)
        self.received = b""
        self.due = 0.0

    def fileno(self):
        return self.socket.fileno()

    def is_complete(self):
        """Receives, and returns true if the response has all of its bytes."""
        received = self.socket.recv(65536)
        assert received, "the server closed a connection"
        self.received += received
        head, end, body = self.received.partition(b"\r\n\r\n")
        if not end:
            return False
        assert head.startswith(b"HTTP/1.1 200 "), head
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(body) < length:
            return False
        self.received = b""
        return True


def run(address, rate, seconds, request):
    """Returns the latencies of all requests and the delays with which they were sent, in seconds."""
    idle, busy, latencies, delays = [Connection(address) for _ in range(8)], {}, [], []
    total = int(rate * seconds)
    start = time.perf_counter() + 0.05
    sent = 0
    while sent < total or busy:
        now = time.perf_counter()
        while sent < total and (due := start + sent / rate) <= now:
            connection = idle.pop() if idle else Connection(address)
            connection.due = due
            connection.socket.sendall(request)
            busy[connection.fileno()] = connection
            delays.append(now - due)
            sent += 1
            now = time.perf_counter()
        wait = max(0.0, start + sent / rate - now) if sent < total else 5.0
        ready, _, _ = select.select(busy.values(), (), (), wait)
        assert ready or sent < total, "a response did not arrive within 5 s"
        for connection in ready:
            if connection.is_complete():
                latencies.append(time.perf_counter() - connection.due)
                idle.append(busy.pop(connection.fileno()))
    return latencies, delays


def percentiles(samples):
    ordered = sorted(samples)
    return {f"p{percent:g}": ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000 for percent in (50, 99, 99.9)}


def main(address, rate, seconds, authorization):
    become_precise()
    request = f"GET /v1/credentials HTTP/1.1\r\nHost: {address}\r\nAuthorization: {authorization}\r\n\r\n".encode()
    latencies, delays = run(address, float(rate), float(seconds), request)
    json.dump({**percentiles(latencies), "delay": percentiles(delays)}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
