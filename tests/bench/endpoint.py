"""The container credentials endpoint with an authorization token, compared with nginx under the same load.

nginx has one worker and returns the same body from memory without checking anything. Each server is bound to one core and the load
generator to another one. wrk generates the closed loops; for requests at a constant rate, see open_loop.py. wrk needs as much CPU time for
a request as a server, so it limits the requests in a second, too. It does not limit the requests in a second of the server's CPU time.
"""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from bench import AUTHORIZATION
from figure import Goal, compared
from processes import Process, cpu_seconds, pin, pinned, wait_for_port
from samples import in_turn

from support.processes import free_port

HERE = Path(__file__).parent
CONNECTIONS = 32
RATE = 1000
KEPT = f"Container endpoint, {CONNECTIONS} connections"
CLOSED = "Container endpoint, a connection for each request"
CONSTANT = f"Container endpoint, {RATE:,} requests/s"
REQUESTS, CAPACITY = "requests/s", "requests in a second of the server's CPU time"
PERCENTILES = ("p50", "p99", "p99.9")

NGINX = """
daemon off; worker_processes 1; pid {scratch}/nginx.pid; error_log /dev/null;
events {{ worker_connections 1024; }}
http {{
  access_log off; server_tokens off; keepalive_requests 10000000; default_type application/json;
  client_body_temp_path {scratch}/nginx-1; proxy_temp_path {scratch}/nginx-2; fastcgi_temp_path {scratch}/nginx-3;
  uwsgi_temp_path {scratch}/nginx-4; scgi_temp_path {scratch}/nginx-5;
  server {{
    listen 127.0.0.1:{port};
    location = /v1/credentials {{ add_header Cache-Control no-store; return 200 '{body}'; }}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """A server under load. `pid` is the process that answers."""

    name: str
    address: str
    pid: int

    def closed_loop(self, seconds, *headers):
        """Returns what wrk measures with as many requests as the server answers."""
        command = [
            *pinned("generator"), "wrk", "--threads", "1", "--connections", str(CONNECTIONS), "--duration", f"{seconds}s",
            "--script", HERE / "wrk.lua", "--header", f"Authorization: {AUTHORIZATION}", *headers, f"http://{self.address}/v1/credentials",
        ]
        before = cpu_seconds(self.pid)
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used = cpu_seconds(self.pid) - before
        requests, micros, *percentiles, errors = map(int, re.search(r"RESULT (.*)", output)[1].split())
        assert errors == 0, output
        return {
            "requests": requests / micros * 1e6, "capacity": requests / used,
            **dict(zip(PERCENTILES, (value / 1000 for value in percentiles), strict=True)),
        }

    def open_loop(self, seconds):
        """Returns the percentiles of the latency, in milliseconds, at a constant rate."""
        command = [*pinned("generator"), sys.executable, "-B", HERE / "open_loop.py", self.address, str(RATE), str(seconds), AUTHORIZATION]
        return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)


def measure(bench):
    programs = [bench.program(name, "the endpoint against nginx") for name in ("nginx", "wrk", "taskset")]
    if not all(programs):
        return
    with bench.protected_sidecar() as sidecar:
        port = free_port()
        configuration = bench.scratch / "nginx.conf"
        configuration.write_text(NGINX.format(scratch=bench.scratch, port=port, body=sidecar.body.decode()))
        with Process([programs[0], "-c", configuration], stderr=subprocess.DEVNULL) as nginx:
            wait_for_port(port)
            worker = int(Path(f"/proc/{nginx.process.pid}/task/{nginx.process.pid}/children").read_text())
            ours = Server("credvend", sidecar.address, sidecar.pid)
            others = Server("nginx", f"127.0.0.1:{port}", worker)
            for server in (ours, others):
                pin(server.pid, "server")
            yield from closed_loops(bench, ours, others)
            yield from open_loops(bench, ours, others)


def closed_loops(bench, ours, others):
    seconds, rounds = bench.rounds(3, 1), bench.rounds(5, 1)
    for group, headers, goal in (
        (KEPT, (), Goal("≥", 1.2, "×")),
        (CLOSED, ("--header", "Connection: close"), None),
    ):
        samples = in_turn(rounds, lambda: ours.closed_loop(seconds, *headers), lambda: others.closed_loop(seconds, *headers))
        yield against_nginx(group, REQUESTS, "/s", "requests", samples, goal=goal)
        yield against_nginx(group, CAPACITY, "/s", "capacity", samples, goal=goal)
        for key in PERCENTILES:
            yield against_nginx(group, f"latency at that rate, {key}", "ms", key, samples)


def open_loops(bench, ours, others):
    seconds, rounds = bench.rounds(10, 2), bench.rounds(4, 1)
    samples = in_turn(rounds, lambda: ours.open_loop(seconds), lambda: others.open_loop(seconds))
    for key in PERCENTILES:
        goal = Goal("≤", 1.0, "ms") if key == "p99" else None
        yield against_nginx(CONSTANT, f"latency, {key}", "ms", key, samples, goal=goal)


def against_nginx(group, name, unit, key, samples, **options):
    ours, others = ([sample[key] for sample in server] for server in samples)
    return compared(group, name, unit, ours, "nginx", others, **options)
