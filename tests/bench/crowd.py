"""Memory of a process with 50 profiles, while 200 clients keep their connections open."""

import contextlib
import http.client

from figure import Goal, single
from processes import Sidecar, memory

PROFILES, CONNECTIONS = 50, 200
GROUP = f"{PROFILES} profiles and {CONNECTIONS} connections"


def measure(bench):
    arguments = ["--config", bench.sts.profiles(bench.scratch / "config", PROFILES), "--all-profiles"]
    environment = {name: bench.sts.environment[name] for name in ("AWS_ENDPOINT_URL_STS", "AWS_REGION")}
    with Sidecar([bench.credvend], environment, *arguments) as sidecar, contextlib.ExitStack() as open_connections:
        for number in range(CONNECTIONS):
            connection = http.client.HTTPConnection(sidecar.address)
            open_connections.callback(connection.close)
            connection.request("GET", f"/v1/credentials/p{number % PROFILES}")
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, body
        used = memory(sidecar.pid)
    yield single(GROUP, "resident memory", "MiB", used.resident, goal=Goal("≤", 8.0, "MiB"))
    yield single(GROUP, "anonymous memory", "MiB", used.anonymous)
