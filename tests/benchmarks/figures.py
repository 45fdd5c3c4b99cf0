#!/usr/bin/env python3
"""Measures the size, memory and speed of credvend.

    figures.py CREDVEND LOCAL_STS

CREDVEND is the static release binary and LOCAL_STS an optimized build of local-sts. Prints one line for each figure. Speed
is shown as a ratio to another program that runs in the same minute: curl and, if nginx and wrk are installed, nginx. Exits
with 1 only if a limit of size or memory is exceeded. The load of the machine does not affect these, but it affects speed.
"""

import http.client
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse

MEBIBYTE = 1024 * 1024
ROLE_A = "arn:aws:iam::111111111111:role/account-a-role"

exceeded = []


def show(name, figure, limit=None, within=True):
    print(f"  {name:<58} {figure}" + (f"   (limit {limit})" if limit else ""), flush=True)
    if not within:
        exceeded.append(name)


class Process:
    """A child process."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, text=True, **options)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class LocalSts(Process):
    """A local STS with a projected token, and the environment variables for its clients."""

    def __init__(self, local_sts, directory, *options):
        token_directory = os.path.join(directory, "token")
        super().__init__([local_sts, "--token-dir", token_directory, *options], stdout=subprocess.PIPE)
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
        """Returns the parameters of an exchange."""
        with open(self.token_file) as file:
            token = file.read()
        return {
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE_A,
            "RoleSessionName": "figures", "WebIdentityToken": token,
        }

    def response_time(self, rounds=50):
        """Returns the median response time of an exchange on an open connection, in seconds."""
        host = urllib.parse.urlsplit(self.url).netloc
        connection = http.client.HTTPConnection(host)
        body = urllib.parse.urlencode(self.form())
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            connection.request("POST", "/", body, {"Content-Type": "application/x-www-form-urlencoded"})
            assert connection.getresponse().read().startswith(b"<AssumeRoleWithWebIdentityResponse")
            times.append(time.perf_counter() - started)
        return statistics.median(times)


class Sidecar(Process):
    """A `credvend run` that has credentials."""

    def __init__(self, credvend, environment, *arguments):
        started = time.perf_counter()
        super().__init__(
            [credvend, "run", "--listen", "127.0.0.1:0", *arguments], env=environment, stderr=subprocess.PIPE,
        )
        self.address = None
        for line in self.process.stderr:
            found = re.search(r"http://([^/]+)/v1/credentials", line)
            if found:
                self.address = found.group(1)
                break
        # The endpoint holds the first request until there are credentials.
        connection = http.client.HTTPConnection(self.address)
        connection.request("GET", "/v1/credentials")
        response = connection.getresponse()
        self.body = response.read()
        self.time_to_credentials = time.perf_counter() - started
        assert response.status == 200, self.body

    def memory(self):
        """Returns the resident and the anonymous memory in bytes."""
        with open(f"/proc/{self.process.pid}/status") as file:
            fields = dict(line.split(":", 1) for line in file)
        return [int(fields[name].split()[0]) * 1024 for name in ("VmRSS", "RssAnon")]


def size(credvend):
    length = os.path.getsize(credvend)
    show("static binary", f"{length / MEBIBYTE:.2f} MiB")


def memory(credvend, sts):
    sidecar = Sidecar(credvend, sts.environment)
    resident, anonymous = sidecar.memory()
    show("run, one profile, idle: resident", f"{resident / MEBIBYTE:.2f} MiB", "6 MiB", resident <= 6 * MEBIBYTE)
    show("run, one profile, idle: anonymous", f"{anonymous / MEBIBYTE:.2f} MiB", "2 MiB", anonymous <= 2 * MEBIBYTE)
    sidecar.stop()


def time_to_first_credentials(credvend, sts):
    response_time = sts.response_time()
    times = []
    for _ in range(20):
        sidecar = Sidecar(credvend, sts.environment)
        times.append(sidecar.time_to_credentials)
        sidecar.stop()
    difference = statistics.median(times) - response_time
    show("start to first credentials, minus STS's response time", f"{difference * 1000:.1f} ms", "10 ms")
    show("STS's response time", f"{response_time * 1000:.1f} ms")


def duration_of(command, environment):
    started = time.perf_counter()
    subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def export_compared_with_curl(credvend, sts):
    curl = shutil.which("curl")
    if not curl:
        show("export / curl", "skipped: curl is not installed")
        return
    fields = [part for name, value in sts.form().items() for part in ("--data-urlencode", f"{name}={value}")]
    post = [curl, "--silent", "--output", "/dev/null", *fields, sts.url]
    export = [credvend, "export"]
    export_times, curl_times = [], []
    # Alternate, so that the load of the machine affects both.
    for _ in range(150):
        export_times.append(duration_of(export, sts.environment))
        curl_times.append(duration_of(post, os.environ))
    export_median, curl_median = statistics.median(export_times), statistics.median(curl_times)
    show("export / curl with the same request", f"{export_median / curl_median:.2f}×", "0.5×")
    show("export, curl: medians", f"{export_median * 1000:.1f} ms, {curl_median * 1000:.1f} ms")


def endpoint_compared_with_nginx(credvend, sts, directory):
    nginx, wrk = shutil.which("nginx") or "/usr/sbin/nginx", shutil.which("wrk")
    if not (os.path.exists(nginx) and wrk):
        show("endpoint / nginx", "skipped: nginx or wrk is not installed")
        return
    sidecar = Sidecar(credvend, sts.environment)
    root = os.path.join(directory, "www")
    os.makedirs(root)
    with open(os.path.join(root, "credentials"), "wb") as file:
        file.write(sidecar.body)
    os.chmod(directory, 0o755)
    configuration = os.path.join(directory, "nginx.conf")
    port = free_port()
    with open(configuration, "w") as file:
        file.write(f"""daemon off; worker_processes 1; pid {directory}/nginx.pid; error_log /dev/null;
events {{ worker_connections 256; }}
http {{ access_log off; keepalive_requests 10000000; default_type application/json; open_file_cache max=10;
server {{ listen 127.0.0.1:{port}; root {root}; }} }}""")
    server = Process([nginx, "-c", configuration], stderr=subprocess.DEVNULL)
    wait_for_port(port)
    nginx_rates, endpoint_rates = [], []
    for _ in range(3):
        nginx_rates.append(request_rate(wrk, f"http://127.0.0.1:{port}/credentials"))
        endpoint_rates.append(request_rate(wrk, f"http://{sidecar.address}/v1/credentials"))
    server.stop()
    resident, _ = sidecar.memory()
    sidecar.stop()
    endpoint, nginx = statistics.median(endpoint_rates), statistics.median(nginx_rates)
    show("endpoint / nginx (one worker): requests per second", f"{endpoint / nginx:.2f}×  ({endpoint:.0f}, {nginx:.0f})")
    show("resident after these requests", f"{resident / MEBIBYTE:.2f} MiB")


def request_rate(wrk, url):
    """Returns the requests per second that wrk measures."""
    output = subprocess.run([wrk, "-t1", "-c32", "-d3s", url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in output, output
    return float(re.search(r"Requests/sec:\s+([\d.]+)", output).group(1))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port):
    deadline = time.monotonic() + 10
    while True:
        try:
            http.client.HTTPConnection("127.0.0.1", port).connect()
            return
        except OSError:
            assert time.monotonic() < deadline, f"port {port} did not accept connections within 10 s"
            time.sleep(0.02)


def main():
    credvend, local_sts = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as directory:
        sts = LocalSts(local_sts, directory)
        try:
            print("Figures")
            size(credvend)
            memory(credvend, sts)
            time_to_first_credentials(credvend, sts)
            export_compared_with_curl(credvend, sts)
            endpoint_compared_with_nginx(credvend, sts, directory)
        finally:
            sts.stop()
    if exceeded:
        sys.exit("limit exceeded: " + ", ".join(exceeded))


if __name__ == "__main__":
    main()
