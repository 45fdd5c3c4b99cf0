"""Limits of the pod and the machine: processes, memory, a log that nobody reads, a DNS server that never answers."""

import fcntl
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from stage.cgroup import Cgroup
from stage.scenario import scenario
from support.checks import CheckFailed
from support.waiting import wait_until

APPLICATION = Path(__file__).resolve().parent.parent / "programs/application.py"
PEAK = 16
MEMORY = PEAK * 2**20
PIPE = 4096
# tokio ends a thread for blocking work that has been idle for 10 s.
THREADS_END = 11


@scenario
def processes(stage, report):
    """A pids limit that another container uses up does not end `run`, and refreshing goes on."""
    cgroup = limited(stage, "pids")
    stage.start_sts("--credential-lifetime", "40")
    credentials_file = stage.scratch / "credentials"
    sidecar = stage.start("--credentials-file", credentials_file, prefix=cgroup.enter_command())
    time.sleep(THREADS_END)
    cgroup.limit_processes(1)
    before = sidecar.key()
    sidecar.reload()
    report.figure("renewal under the limit", changes(sidecar, before, 12), "s", at_most=2.0)
    report.that("the process lives", sidecar.is_running(), f"exit code {sidecar.process.poll()}")
    cgroup.limit_processes("max")
    if not sidecar.is_running():
        return
    before = sidecar.key()
    sidecar.reload()
    # A hop is refreshed at most once in 2 s.
    report.figure("renewal after it", changes(sidecar, before, 12), "s", at_most=4.0)
    wait_until("the file has the key", 12, lambda: sidecar.key() in credentials_file.read_text())


@scenario
def processes_at_start(stage, report):
    """A pids limit that is used up before the start gives an error or works; nothing aborts."""
    cgroup = limited(stage, "pids")
    cgroup.limit_processes(1)
    for command in (["run", "--listen", "127.0.0.1:0"], ["export"], ["check"]):
        sidecar = stage.start(*command[1:], command=command[0], ready=False, prefix=cgroup.enter_command())
        try:
            code = sidecar.process.wait(4)
        except subprocess.TimeoutExpired:
            code = "running"
        report.figure(f"`{command[0]}`", str(code))
        report.that(f"`{command[0]}` does not abort", code in ("running", 0, 1, 2, 3, 4, 5, 6), sidecar.output()[-300:])
        if sidecar.is_running():
            sidecar.process.kill()
            sidecar.process.wait()


@scenario
def processes_under_exec(stage, report):
    """A used up pids limit does not end `exec` as PID 1, nor the application with it."""
    cgroup = limited(stage, "pids")
    sts = stage.start_sts("--credential-lifetime", "40")
    prefix = [*cgroup.enter_command(), "unshare", "--fork", "--pid", "--mount-proc"]
    # The lookup of a name needs a thread.
    named = sts.url.replace("127.0.0.1", "localhost")
    program = stage.start(
        "--", sys.executable, "-B", APPLICATION, command="exec", ready=False, prefix=prefix, AWS_ENDPOINT_URL_STS=named,
    )
    program.wait_for("^key ", 20)
    time.sleep(THREADS_END)
    cgroup.limit_processes(1)
    # The session's refresh comes between 20 and 24 s after its start.
    time.sleep(15)
    alive = program.is_running()
    report.that("`exec` and the application live", alive, f"exit code {program.process.poll()}")
    cgroup.limit_processes("max")
    time.sleep(12 if alive else 0)
    output = program.output()
    report.figure("keys that the application saw in 38 s", len(set(program.log_lines("^key "))), at_least=2)
    report.figure("failed requests of the application", output.count("failed: "), exactly=0)
    report.figure("`exec` lives", "yes" if alive else f"no, exit code {program.process.poll()}")
    if alive:
        program.send(signal.SIGTERM)


@scenario
def memory(stage, report):
    """16 MiB of memory suffice for 20 profiles, reloads, a crowd and responses of 64 MiB; nothing is killed."""
    cgroup = limited(stage, "memory")
    cgroup.limit_memory(MEMORY)
    sts = stage.start_sts()
    config = profiles(stage, 20)
    sidecar = stage.start("--config", config, "--all-profiles", prefix=cgroup.enter_command())
    stage.crowd("idle", 500, sidecar.address)
    for _ in range(stage.scaled(100, 20)):
        sidecar.reload()
        time.sleep(0.1)
    sts.fault({"huge_body": {"mebibytes": 64}}, times=20)
    sidecar.reload()
    time.sleep(2)
    usage = sidecar.usage
    report.figure("VmHWM", usage.peak, "MiB", at_most=PEAK)
    report.figure("out-of-memory kills", cgroup.oom_kills(), exactly=0)
    status, _ = sidecar.get()
    report.figure("status of a request", status, exactly=200)


@scenario
def blocked_log(stage, report):
    """A log that nobody reads stops nothing: requests are answered, and SIGTERM ends the process with 0."""
    environment = stage.environment(**stage.pod_variables(CREDVEND_LISTEN="127.0.0.1:0", CREDVEND_LOG="info"))
    process = subprocess.Popen([stage.credvend, "run"], env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    stage.at_end(process.stderr.close)
    stage.at_end(process.wait)
    stage.at_end(process.kill)
    fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, PIPE)
    url = None
    while url is None:
        line = process.stderr.readline().decode()
        if not line:
            raise CheckFailed("credvend ended at start")
        url = next((word for word in line.replace("url=", " ").split() if word.startswith("http://127.0.0.1:") and "/v1/" in word), None)
    client = stage.good_client(url)
    for _ in range(200):
        process.send_signal(signal.SIGHUP)
        time.sleep(stage.scaled(0.1, 0.03))
    client.report(report)
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    try:
        code = process.wait(5)
    except subprocess.TimeoutExpired:
        code = None
    report.figure("exit code on SIGTERM", code, exactly=0)
    report.figure("after", time.monotonic() - started, "s", at_most=1.0)


@scenario
def dns_never_answers(stage, report):
    """60 profiles whose STS has a name that DNS never resolves use few threads, and delay no other profile."""
    stage.require_root()
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    stage.at_end(server.close)
    server.bind(("127.53.53.53", 53))
    resolver = stage.scratch / "resolv.conf"
    resolver.write_text("nameserver 127.53.53.53\noptions timeout:5 attempts:3\n")
    config = profiles(stage, 60, endpoint="http://sts.attack.test:8080")
    good = profile("good", "role/account-a-role", stage.pod_variables()["AWS_ENDPOINT_URL_STS"])
    config.write_text(config.read_text() + good.replace("TOKEN", str(stage.sts.token_file)))
    prefix = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', resolver]
    sidecar = stage.start("--config", config, "--all-profiles", prefix=prefix, ready=False, AWS_ENDPOINT_URL_STS="")
    sidecar.find_url()
    started = time.monotonic()
    wait_until("the good profile is served", 20, lambda: sidecar.get("/v1/credentials/good")[0] == 200)
    report.figure("the profile with a working STS is served after", time.monotonic() - started, "s", at_most=2.0)
    threads = 0
    for number in range(stage.scaled(60, 12)):
        threads = max(threads, sidecar.usage.threads)
        if number % 4 == 3:
            sidecar.reload()
        time.sleep(0.5)
    report.figure("threads", threads, at_most=12)
    code, seconds = sidecar.terminate()
    report.figure("exit code on SIGTERM", code, exactly=0)
    report.figure("after", seconds, "s", at_most=1.0)


def limited(stage, controller):
    """Returns a control group that is removed at the end of the scenario, after the processes in it."""
    cgroup = Cgroup(controller)
    cgroup.__enter__()
    stage.at_end(cgroup.__exit__)
    return cgroup


def profile(name, role, endpoint, account="111111111111"):
    return f"[profile {name}]\nrole_arn = arn:aws:iam::{account}:{role}\nendpoint_url = {endpoint}\nrole_session_name = {name}\n" \
        "web_identity_token_file = TOKEN\n\n"


def profiles(stage, count, endpoint=None):
    """Writes a config file with many profiles and returns its path."""
    variables = stage.pod_variables()
    endpoint = endpoint or variables["AWS_ENDPOINT_URL_STS"]
    text = "".join(profile(f"p{number}", "role/account-a-role", endpoint) for number in range(count))
    config = stage.scratch / "config"
    config.write_text(text.replace("TOKEN", str(variables["AWS_WEB_IDENTITY_TOKEN_FILE"])))
    return config


def changes(sidecar, before, seconds):
    """Returns the time until the endpoint serves another access key, or None."""
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        key = sidecar.key()
        if key and key != before:
            return time.monotonic() - started
        time.sleep(0.05)
    return None


