#!/usr/bin/env python3
"""Figures of size, memory and speed, as ratios against something run in the same minute.

    figures.py CREDVEND LOCAL_STS

CREDVEND is the static release binary, LOCAL_STS the release build of the local STS. Needs curl; compares the endpoint with
nginx under wrk where both are installed. Prints a line a figure; fails only where a limit on size or memory, which no busy
machine can move, is exceeded. Ratios of time are shown, not judged: a noisy neighbour must not fail a build.
"""

import http.client
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

MEBIBYTE = 1024 * 1024
ROLE_A = "arn:aws:iam::111111111111:role/account-a-role"

failures = []


def show(name, figure, limit=None, within=True):
    print(f"  {name:<58} {figure}" + (f"   (limit {limit})" if limit else ""), flush=True)
    if not within:
        failures.append(name)


class Stage:
    """A local STS with its token, and the environment that points a client at it."""

    def __init__(self, local_sts, directory):
        token_directory = os.path.join(directory, "token")
        self.process = subprocess.Popen(
            [local_sts, "--token-dir", token_directory],
            stdout=subprocess.PIPE, text=True)
        for line in self.process.stdout:
            if line.startswith("export AWS_ENDPOINT_URL_STS="):
                self.url = line.strip().partition("=")[2]
            if line.startswith("export AWS_ROLE_ARN="):
                break
        self.token_file = os.path.join(token_directory, "token")
        self.environment = {
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_REGION": "eu-central-1",
            "AWS_ROLE_ARN": ROLE_A,
            "AWS_WEB_IDENTITY_TOKEN_FILE": self.token_file,
        }

    def form(self):
        with open(self.token_file) as file:
            token = file.read()
        return {
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE_A,
            "RoleSessionName": "figures", "WebIdentityToken": token,
        }

    def own_time(self, rounds=50):
        """The median time of one exchange on a connection that is open already: STS's own."""
        host = urllib.parse.urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(host)
        body = urllib.parse.urlencode(self.form())
        times = []
        for _ in range(rounds):
            begun = time.perf_counter()
            connection.request("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded"})
            assert connection.getresponse().read().startswith(b"<AssumeRoleWithWebIdentityResponse")
            times.append(time.perf_counter() - begun)
        return statistics.median(times)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Run:
    """A `credvend run`, ready."""

    def __init__(self, credvend, environment, *arguments):
        self.begun = time.perf_counter()
        self.process = subprocess.Popen(
            [credvend, "run", "--listen", "127.0.0.1:0", *arguments], env=environment,
            stderr=subprocess.PIPE, text=True)
        self.address = None
        for line in self.process.stderr:
            found = re.search(r"listening url=http://([^/]+)/", line)
            if found:
                self.address = found.group(1)
                break
        # The first request waits for the first credentials.
        connection = http.client.HTTPConnection(self.address)
        connection.request("GET", "/v1/credentials")
        answer = connection.getresponse()
        self.body = answer.read()
        self.until_first_credentials = time.perf_counter() - self.begun
        assert answer.status == 200, self.body

    def memory(self):
        with open(f"/proc/{self.process.pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file)
        return [int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon")]

    def stop(self):
        self.process.terminate()
        self.process.wait()


def size(credvend):
    length = os.path.getsize(credvend)
    show("static binary", f"{length / MEBIBYTE:.2f} MiB", "5 MiB", length <= 5 * MEBIBYTE)


def memory(credvend, stage):
    run = Run(credvend, stage.environment)
    resident, anonymous = run.memory()
    show("run, one profile, idle: resident", f"{resident / MEBIBYTE:.2f} MiB", "6 MiB", resident <= 6 * MEBIBYTE)
    show("run, one profile, idle: anonymous", f"{anonymous / MEBIBYTE:.2f} MiB", "2 MiB", anonymous <= 2 * MEBIBYTE)
    run.stop()


def first_credentials(credvend, stage):
    own = stage.own_time()
    times = []
    for _ in range(20):
        run = Run(credvend, stage.environment)
        times.append(run.until_first_credentials)
        run.stop()
    after = statistics.median(times) - own
    show("from start to first credentials, beyond STS's own time", f"{after * 1000:.1f} ms", "10 ms")
    show("STS's own time", f"{own * 1000:.1f} ms")


def timed(command, environment):
    begun = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def export_against_curl(credvend, stage):
    curl = shutil.which("curl")
    if not curl:
        show("export / curl", "skipped: no curl")
        return
    fields = [part for name, value in stage.form().items() for part in ("--data-urlencode", f"{name}={value}")]
    post = [curl, "--silent", "--output", "/dev/null", *fields, stage.url]
    export = [credvend, "export"]
    ours, theirs = [], []
    # By turns, so that a busy moment meets both.
    for _ in range(150):
        ours.append(timed(export, stage.environment))
        theirs.append(timed(post, os.environ))
    ratio = statistics.median(ours) / statistics.median(theirs)
    show("export / curl posting the same form", f"{ratio:.2f}×", "0.5×")
    show("export, curl: medians", f"{statistics.median(ours) * 1000:.1f} ms, {statistics.median(theirs) * 1000:.1f} ms")


def endpoint_against_nginx(credvend, stage, directory):
    nginx, wrk = shutil.which("nginx") or "/usr/sbin/nginx", shutil.which("wrk")
    if not (os.path.exists(nginx) and wrk):
        show("endpoint / nginx", "skipped: needs nginx and wrk")
        return
    run = Run(credvend, stage.environment)
    root = os.path.join(directory, "www")
    os.makedirs(root)
    with open(os.path.join(root, "credentials"), "wb") as file:
        file.write(run.body)
    os.chmod(directory, 0o755)
    configuration = os.path.join(directory, "nginx.conf")
    socket_port = free_port()
    with open(configuration, "w") as file:
        file.write(f"""daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log /dev/null;
events {{ worker_connections 256; }}
http {{ access_log off; keepalive_requests 10000000; default_type application/json; open_file_cache max=10;
server {{ listen 127.0.0.1:{socket_port}; root {root}; }} }}""")
    server = subprocess.Popen([nginx, "-c", configuration], stderr=subprocess.DEVNULL)
    wait_for_port(socket_port)
    rates = {"ours": [], "nginx": []}
    for _ in range(3):
        rates["nginx"].append(rate(wrk, f"http://127.0.0.1:{socket_port}/credentials"))
        rates["ours"].append(rate(wrk, f"http://{run.address}/v1/credentials"))
    server.terminate()
    server.wait()
    resident, _ = run.memory()
    run.stop()
    ours, theirs = statistics.median(rates["ours"]), statistics.median(rates["nginx"])
    show("endpoint / nginx (one worker), requests a second", f"{ours / theirs:.2f}×  ({ours:.0f}, {theirs:.0f})")
    show("resident after that", f"{resident / MEBIBYTE:.2f} MiB")


def rate(wrk, url):
    output = subprocess.run([wrk, "-t1", "-c32", "-d3s", url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))


def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port):
    until = time.monotonic() + 10
    while True:
        try:
            http.client.HTTPConnection("127.0.0.1", port).connect()
            return
        except OSError:
            assert time.monotonic() < until


def main():
    credvend, local_sts = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as directory:
        stage = Stage(local_sts, directory)
        try:
            print("Figures")
            size(credvend)
            memory(credvend, stage)
            first_credentials(credvend, stage)
            export_against_curl(credvend, stage)
            endpoint_against_nginx(credvend, stage, directory)
        finally:
            stage.stop()
    if failures:
        sys.exit("beyond its limit: " + ", ".join(failures))


if __name__ == "__main__":
    main()
