"""SIGTERM in the middle of things."""

import socket
import time

from support.clients import boto3_command
from support.credvend import Sidecar
from support.processes import Background
from support.world import ROLE_A


def run(world, check):
    with Sidecar(world, **world.sts.pod_variables(ROLE_A)) as sidecar:
        env = world.environment(**sidecar.client_variables(), **world.sts.client_variables())
        with Background(world, "boto3-impatient", boto3_command(world, "impatient"), env) as client:
            client.wait_for("(called\n){3}")
            check.that("boto3 fetches without a pause", client.process.poll() is None)
            status, took = terminate(sidecar)
        check.equal("boto3 fetching: SIGTERM ends it with 0", status, 0)
        check.that("boto3 fetching: within a second", took < 1, f"{took:.2f} s")

    with Sidecar(world, **world.sts.pod_variables(ROLE_A)) as sidecar:
        host, port = sidecar.address.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as stuck:
            stuck.sendall(b"GET /v1/credentials HTTP/1.1\r\nHost: ")
            status, took = terminate(sidecar)
        check.equal("a request stuck half-way: SIGTERM ends it with 0", status, 0)
        check.that("a request stuck half-way: within two seconds", took < 2, f"{took:.2f} s")


def terminate(sidecar):
    """The exit code, and the seconds from SIGTERM to it."""
    asked = time.monotonic()
    sidecar.process.terminate()
    return sidecar.process.wait(10), time.monotonic() - asked
