"""SIGTERM while clients use the endpoint."""

import socket
import time

from support.clients import boto3_command
from support.credvend import Sidecar
from support.processes import BackgroundProcess
from support.roles import ROLE_A


def run(context, check):
    with Sidecar(context, **context.sts.pod_variables(ROLE_A)) as sidecar:
        env = context.environment(**sidecar.client_variables(), **context.sts.client_variables())
        with BackgroundProcess(context, "boto3-fetch-repeatedly", boto3_command(context, "fetch_repeatedly"), env) as client:
            client.wait_for("(called\n){3}")
            check.that("boto3 fetches credentials repeatedly", client.is_running())
            status, took = terminate(sidecar)
        check.equal("exit code on SIGTERM while boto3 fetches", status, 0)
        check.that("exit within 1 s while boto3 fetches", took < 1, f"{took:.2f} s")

    with Sidecar(context, **context.sts.pod_variables(ROLE_A)) as sidecar:
        host, port = sidecar.address.split(":")
        with socket.create_connection((host, int(port)), timeout=5) as incomplete:
            incomplete.sendall(b"GET /v1/credentials HTTP/1.1\r\nHost: ")
            status, took = terminate(sidecar)
        check.equal("exit code on SIGTERM during an incomplete request", status, 0)
        check.that("exit within 2 s during an incomplete request", took < 2, f"{took:.2f} s")


def terminate(sidecar):
    """Sends SIGTERM, and returns the exit code and the seconds until the exit."""
    sent = time.monotonic()
    sidecar.process.terminate()
    return sidecar.process.wait(10), time.monotonic() - sent
