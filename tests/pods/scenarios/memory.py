"""A memory limit of 16 MiB during 1,000 refreshes of a role chain, with all sinks and probes."""

import json
import sys
from pathlib import Path

from pod.pod import TOKEN_DIRECTORY
from support.checks import CheckFailed
from support.roles import ROLE_A, ROLE_B

LIMIT = 16 * 1024 * 1024
# A reload refreshes a hop at most once in 2 s, so that many profiles make the refreshes.
PROFILES = 50
RELOADS = 20

# Runs in the pod's network namespace. Sends SIGHUP and queries the endpoint until it has new credentials, repeatedly, and
# prints the last credentials.
REFRESH = """
import json, os, signal, sys, time, urllib.request
pid, times = int(sys.argv[1]), int(sys.argv[2])

def credentials():
    with urllib.request.urlopen("http://127.0.0.1:9911/v1/credentials", timeout=10) as response:
        return json.load(response)

current = credentials()
for number in range(times):
    os.kill(pid, signal.SIGHUP)
    deadline = time.monotonic() + 10
    while (new := credentials())["AccessKeyId"] == current["AccessKeyId"]:
        if time.monotonic() > deadline:
            sys.exit(f"no new credentials within 10 s in refresh {number + 1}")
        time.sleep(0.001)
    current = new
json.dump(current, sys.stdout)
"""


def run(cluster, check):
    with cluster.pod("memory") as pod:
        volume = pod.empty_dir("aws")
        (volume / "config").write_text("".join(profile(number) for number in range(PROFILES)))
        sidecar = pod.credvend(
            "run", "--config", "/aws/config", "--all-profiles",
            variables={"CREDVEND_CREDENTIALS_FILE": "/aws/credentials", "CREDVEND_ADMIN_LISTEN": "0.0.0.0:9913"},
            mounts={"/aws": volume},
            options=("--memory", LIMIT, "--memory-swap", LIMIT),
        )
        sidecar.startup_probe()
        pid = sidecar.pid
        cgroup = Cgroup(pid)
        check.equal("memory limit in bytes", cgroup.limit(), LIMIT)
        rounds = 4
        for _ in range(rounds):
            last = sidecar_refreshes(sidecar, pid, RELOADS // rounds)
            # A probe is a process in the container, so its memory counts.
            if sidecar.exec_status("/credvend", "health") != 0:
                raise CheckFailed("a probe failed under the memory limit")
        cluster.secrets.add_credentials(last)
        check.that(f"{PROFILES * RELOADS} refreshes of role chains", True)
        text = (volume / "credentials").read_text()
        check.that("the credentials file contains the last credentials", last["AccessKeyId"] in text)
        check.that("the process has not restarted", sidecar.is_running() and sidecar.pid == pid)
        check.equal("number of OOM kills", cgroup.killed(), 0)
        peak, resident = cgroup.peak(), resident_peak(pid)
        check.that(
            f"peak memory: cgroup {peak / 1048576:.1f} MiB (with page cache and probes), "
            f"resident set of the process {resident / 1024:.1f} MiB", 0 < peak <= LIMIT, peak,
        )


def profile(number):
    """Returns the sections of a role chain with exchanges of its own."""
    return (
        f"[profile b{number}]\nsource_profile = a{number}\nrole_arn = {ROLE_B}\nrole_session_name = b{number}\n"
        f"[profile a{number}]\nweb_identity_token_file = {TOKEN_DIRECTORY}/token\nrole_arn = {ROLE_A}\nrole_session_name = a{number}\n"
    )


def sidecar_refreshes(sidecar, pid, times):
    return json.loads(sidecar.run_in_network(sys.executable, "-c", REFRESH, pid, times, seconds=120))


def resident_peak(pid):
    """Returns the peak resident set size of a process in KiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


class Cgroup:
    """The memory controller of a process's cgroup, version 1 or 2."""

    def __init__(self, pid):
        paths = dict(line.split(":", 2)[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines())
        self.v1 = "memory" in paths
        base = "/sys/fs/cgroup/memory" if self.v1 else "/sys/fs/cgroup"
        self.directory = Path(base + paths["memory" if self.v1 else ""])

    def limit(self):
        return int(self._read("memory.limit_in_bytes" if self.v1 else "memory.max"))

    def peak(self):
        return int(self._read("memory.max_usage_in_bytes" if self.v1 else "memory.peak"))

    def killed(self):
        events = self._read("memory.oom_control" if self.v1 else "memory.events")
        return int(dict(line.split() for line in events.splitlines())["oom_kill"])

    def _read(self, name):
        return (self.directory / name).read_text()
