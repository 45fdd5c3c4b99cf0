"""SIGTERM in the middle of things: while a client fetches without a pause, and while another is stuck half-way."""

import socket
import time

from support.clients import boto3_command
from support.credvend import Sidecar
from support.processes import Background
from support.world import ROLE_A


def run(world, check):
    with Sidecar(world, **world.sts.pod_variables(ROLE_A)) as sidecar:
        host, port = sidecar.address.split(":")
        env = world.environment(**sidecar.client_variables(), **world.sts.client_variables())
        with (
            Background(world, "boto3-impatient", boto3_command(world, "impatient"), env) as client,
            socket.create_connection((host, int(port)), timeout=5) as stuck,
        ):
            stuck.sendall(b"GET /v1/credentials HTTP/1.1\r\nHost: ")
            client.wait_for("(called\n){3}")
            check.that("a client is fetching", client.process.poll() is None)
            asked = time.monotonic()
            sidecar.process.terminate()
            status = sidecar.process.wait(10)
            took = time.monotonic() - asked
        check.equal("SIGTERM ends it with 0", status, 0)
        check.that("within a second", took < 1, f"{took:.2f} s")
