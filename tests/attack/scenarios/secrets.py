"""Secrets: logs at the most verbose level, children, core dumps and memory."""

import json
import signal
import sys
import time
from pathlib import Path

from scenarios.sts_faults import FAULTS
from stage.memory import count_secrets
from stage.scenario import scenario
from support.roles import ROLE_A, ROLE_B
from support.waiting import wait_until

# The faults of the short part: those whose responses or errors repeat parts of the request or the response.
SHORT = ["error", "garbage", "truncated_body", "wrong_root", "past_expiry"]
# Writes its environment and command line, and those of its parent where that is permitted, and prints credentials.
CHILD = """
import json, os, sys
with open(sys.argv[1], "ab") as out:
    out.write(json.dumps(dict(os.environ)).encode() + open("/proc/self/cmdline", "rb").read())
print(json.dumps({"Version": 1, "AccessKeyId": "AKIALOCALSTSBASEUSER",
                  "SecretAccessKey": "local/sts+base/user+SECRET+not/a/real/ke"}))
"""


def learn(stage, *texts):
    """Adds all secrets that the STSs issued, and these texts."""
    for secret in json.loads(stage.sts.control("GET", "secrets")):
        stage.secrets.add("issued", secret)
    for text in texts:
        stage.secrets.add("authorization token", text)


def leaks(stage, texts):
    """Returns the names of the texts that contain a secret, with its kinds."""
    return {name: kinds for name, text in texts.items() if (kinds := stage.secrets.found_in(text))}


@scenario
def logs(stage, report):
    """No log at trace, of any command under any fault of STS, holds a secret."""
    sts = stage.start_sts()
    token = stage.temporary_directory() / "authorization-token"
    sidecar = stage.start("--chain-role-arn", ROLE_B, "--auth-token-file", token, level="trace")
    token_text = token.read_text()
    variables = {"CREDVEND_LOG": "trace", "CREDVEND_CHAIN_ROLE_ARNS": ROLE_B}
    outputs = {}
    for name in stage.scaled(list(FAULTS), SHORT):
        sts.fault(FAULTS[name][0])
        sidecar.reload()
        for words in (["export"], ["process"], ["check"], ["exec", "--", "true"], ["status"]):
            timeout = ["--timeout", "1s"] if words[0] in ("export", "process", "check") else []
            if words[0] == "exec" and name in ("hang", "drip"):
                continue
            # `exec` retries for as long as it takes, so it only runs until the fault has had its effect.
            prefix = ["timeout", "-s", "TERM", "2"] if words[0] == "exec" else []
            command = [words[0], *timeout, *words[1:]]
            ended = stage.run_command(*command, prefix=prefix, CREDVEND_LISTEN=sidecar.address, **variables)
            outputs[f"{words[0]} under {name}"] = ended.stderr + ("" if words[0] in ("export", "process") else ended.stdout)
        sts.clear_faults()
    wait_until("credvend recovers", 15, lambda: sidecar.get("/readyz")[0] == 200)
    sidecar.terminate()
    outputs["run"] = sidecar.output()
    learn(stage, token_text)
    found = leaks(stage, outputs)
    report.figure("logs", len(outputs))
    report.figure("characters", sum(map(len, outputs.values())))
    report.figure("secrets searched for", sum(stage.secrets.kinds().values()), at_least=20)
    report.figure("logs with a secret", len(found), exactly=0)
    report.that("no secret", not found, found)
    report.that("the search works", stage.secrets.found_in(f"x{token_text[3:30]}x") == ["authorization token"])


@scenario
def children(stage, report):
    """Children of credvend and /proc show no secret in an environment or a command line."""
    sts = stage.start_sts()
    seen = stage.scratch / "seen"
    program = stage.scratch / "child.py"
    program.write_text(CHILD)
    config = stage.scratch / "config"
    config.write_text(
        f"[profile base]\ncredential_process = {sys.executable} -B {program} {seen}\n\n"
        f"[profile top]\nsource_profile = base\nrole_arn = {ROLE_A}\n"
    )
    sidecar = stage.start("--config", config, "--profile", "top", AWS_ROLE_ARN="", AWS_WEB_IDENTITY_TOKEN_FILE="")
    learn(stage)
    texts = {"credential_process": seen.read_text(errors="replace")}
    for name in ("environ", "cmdline"):
        texts[f"run {name}"] = Path(f"/proc/{sidecar.pid}/{name}").read_text(errors="replace")
    seen.unlink()
    ended = stage.run_command("exec", "--", sys.executable, "-B", str(program), str(seen))
    report.that("exec works", ended.returncode == 0, ended.stderr[-300:])
    learn(stage)
    texts["exec"] = seen.read_text(errors="replace")
    found = leaks(stage, texts)
    report.figure("texts", len(texts))
    report.figure("with a secret", len(found), exactly=0)
    report.that("no secret", not found, found)
    report.that("the child ran", "PATH" in texts["exec"], texts["exec"][:80])


@scenario
def core_dump(stage, report):
    """A crash writes no core dump, even where the machine permits one."""
    sidecar = stage.start(prefix=["sh", "-c", 'ulimit -c unlimited 2>/dev/null; exec "$@"', "sh"])
    limits = Path(f"/proc/{sidecar.pid}/limits").read_text()
    core = next(line.split()[4:6] for line in limits.splitlines() if line.startswith("Max core file size"))
    report.figure("core limits", " and ".join(core), exactly="0 and 0")
    owner = Path(f"/proc/{sidecar.pid}/environ").stat().st_uid
    report.figure("owner of /proc/PID/environ", owner, exactly=0)
    sidecar.send(signal.SIGABRT)
    sidecar.process.wait(10)
    report.figure("core files", len(list(stage.scratch.glob("core*"))), exactly=0)


@scenario
def memory(stage, report):
    """After 25 rotations the memory holds at most 2 copies of the current secrets and none of those before the last."""
    stage.require_root()
    sts = stage.start_sts()
    folder = stage.temporary_directory()
    sidecar = stage.start("--chain-role-arn", ROLE_B, "--credentials-file", folder / "credentials")
    rotations = 25
    issued = [sidecar.credentials()]
    for _ in range(rotations):
        sidecar.reload()
        wait_until("new credentials", 10, lambda: sidecar.key() != issued[-1]["AccessKeyId"])
        issued.append(sidecar.credentials())
    wait_until("the file is written", 10, lambda: issued[-1]["AccessKeyId"] in (folder / "credentials").read_text())
    time.sleep(1)
    for kind in ("SecretAccessKey", "Token"):
        counts = list(count_secrets(sidecar.pid, [document[kind] for document in issued]).values())
        report.figure(f"{kind}: copies of the current", counts[-1], at_most=2)
        report.figure("of the last", counts[-2])
        report.figure("of older ones", sum(counts[:-2]), exactly=0)
    first_hop = set(json.loads(sts.control("GET", "secrets"))) - {document[kind] for document in issued for kind in ("SecretAccessKey", "Token")}
    keys = [secret for secret in first_hop if len(secret) == 40]
    counts = count_secrets(sidecar.pid, keys)
    report.figure("copies of the secret keys of the first hop", sum(counts.values()), at_most=4)
