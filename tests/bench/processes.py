"""Child processes: a local STS, `credvend run`, and what /proc says about them."""

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

# `support` comes from the suites with real clients, `matrix` from that with all clients. Modules that use them import this one first.
TESTS = Path(__file__).resolve().parents[1]
sys.path[1:1] = [str(TESTS / "real-clients"), str(TESTS / "clients")]

from support.roles import ROLE_A
from support.waiting import wait_until


class Process:
    """A child process."""

    def __init__(self, command, **options):
        self.process = subprocess.Popen(command, text=True, **options)

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class LocalSts(Process):
    """A local STS with a projected token, and the environment variables for its clients."""

    def __init__(self, local_sts, directory, *options):
        token_directory = os.path.join(directory, "token")
        super().__init__([local_sts, "--token-dir", token_directory, *options], stdout=subprocess.PIPE)
        for line in self.process.stdout:
            if line.startswith("export AWS_ENDPOINT_URL_STS="):
                self.url = line.strip().partition("=")[2]
            if line.startswith("export AWS_WEB_IDENTITY_TOKEN_FILE="):
                break
        self.address = self.url.removeprefix("http://")
        self.token_file = os.path.join(token_directory, "token")
        self.environment = {
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_REGION": "eu-central-1",
            "AWS_ROLE_ARN": ROLE_A,
            "AWS_WEB_IDENTITY_TOKEN_FILE": self.token_file,
        }

    def form(self):
        """Returns the parameters of an exchange."""
        return {
            "Action": "AssumeRoleWithWebIdentity", "Version": "2011-06-15", "RoleArn": ROLE_A,
            "RoleSessionName": "figures", "WebIdentityToken": Path(self.token_file).read_text(),
        }

    def profiles(self, file, number):
        """Writes a config file with this number of profiles, each with an exchange of its own."""
        file.write_text("".join(
            f"[profile p{index}]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {self.token_file}\nrole_session_name = p{index}\n"
            for index in range(number)
        ))
        return file


class Sidecar(Process):
    """A `credvend run` that has credentials. `credvend` is the start of its command line; `headers` are those of the first request."""

    def __init__(self, credvend, environment, *arguments, headers=None, **options):
        started = time.perf_counter()
        options.setdefault("stderr", subprocess.PIPE)
        super().__init__([*credvend, "run", "--listen", "127.0.0.1:0", *arguments], env=environment, **options)
        for line in self.process.stderr:
            found = re.search(r"http://([^/]+)/v1/credentials", line)
            if found:
                self.address = found[1]
                break
        # The endpoint holds the first request until there are credentials.
        connection = http.client.HTTPConnection(self.address)
        connection.request("GET", "/v1/credentials", headers=headers or {})
        response = connection.getresponse()
        self.body = response.read()
        self.time_to_credentials = time.perf_counter() - started
        connection.close()
        assert response.status == 200, self.body

    @property
    def pid(self):
        return self.process.pid


@dataclass(frozen=True)
class Memory:
    """The memory of a process, in MiB. The proportional set size is None if only root may know it."""

    resident: float
    anonymous: float
    proportional: float | None


def memory(pid):
    fields = status(f"/proc/{pid}/status")
    try:
        proportional = status(f"/proc/{pid}/smaps_rollup")["Pss"] / 1024
    except PermissionError:
        proportional = None
    return Memory(fields["VmRSS"] / 1024, fields["RssAnon"] / 1024, proportional)


def status(file):
    """Returns the numbers in a file of /proc by their names; sizes are in KiB."""
    return {name: int(number) for name, number in re.findall(r"^(\w+):\s+(\d+)(?: kB)?$", Path(file).read_text(), re.MULTILINE)}


def cpu_seconds(pid):
    """Returns the CPU time of all threads of a process. Unlike the ticks in `stat`, it is exact."""
    return sum(int(file.read_text().split()[0]) for file in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def wake_ups(pid):
    """Returns how often the threads of a process have gone to sleep by themselves, which is as often as they were woken."""
    return sum(status(file)["voluntary_ctxt_switches"] for file in Path(f"/proc/{pid}/task").glob("*/status"))


def core(purpose):
    """Returns the core of the generator or of the server under its load. They are the same one if the machine has only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[0] if purpose == "generator" else available[-1]


def pin(pid, purpose):
    """Binds all threads of a process to one core."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core(purpose)})


def pinned(purpose):
    """Returns the start of a command line that binds a program to one core."""
    return ["taskset", "--cpu-list", str(core(purpose))]


def connect(address):
    """Returns a connection that sends each request at once."""
    host, port = address.split(":")
    connection = socket.create_connection((host, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def wait_for_port(port):
    def accepts():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(f"port {port} accepts connections", 10, accepts)
