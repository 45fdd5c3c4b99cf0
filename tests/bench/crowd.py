"""Memory of a process with 50 profiles, while 200 clients keep their connections open."""

import contextlib
import http.client

from figure import Goal, single
from processes import ROLE_A, Sidecar, memory

PROFILES, CONNECTIONS = 50, 200
GROUP = f"{PROFILES} profiles and {CONNECTIONS} connections"


def measure(bench):
    arguments = ["--config", profiles(bench, PROFILES), "--all-profiles"]
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


def profiles(bench, number):
    """Writes a config file with this number of profiles, each with an exchange of its own, and returns its path."""
    file = bench.scratch / f"config-{number}"
    file.write_text("".join(
        f"[profile p{index}]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {bench.sts.token_file}\nrole_session_name = p{index}\n"
        for index in range(number)
    ))
    return file
