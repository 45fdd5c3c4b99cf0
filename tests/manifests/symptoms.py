"""The words that k8s/README.md tells people to look for, in what the binary really says; and its command for what AWS needs.

Each phrase in the tables of its section Troubleshooting has a case here, or is in one of the two lists below.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import rendered

ROLE = "arn:aws:iam::111111111111:role/account-a-role"
# Credvend says them in pods alone; tests/pods hears them, with `told`.
OF_PODS = {
    "is a mount point of its own",
    "no valid credentials for profile default; the log of credvend says why",
    "the authorization token is missing or wrong",
}
# Not credvend's words, but Kubernetes', STS's or the C library's.
OF_OTHERS = {
    "CreateContainerConfigError",
    "ExpiredToken",
    "Init:CrashLoopBackOff",
    "OOMKilled",
    "Read-only file system",
    "Startup probe failed",
    "container has runAsNonRoot and image will run as root",
    "image has non-numeric user",
    "violates PodSecurity",
}


def check(checks, credvend, local_sts):
    manual = (rendered.K8S / "README.md").read_text()
    told = set(phrases(manual))
    with tempfile.TemporaryDirectory(prefix="symptoms-") as scratch, socket.socket() as taken:
        os.chmod(scratch, 0o755)
        home = Path(scratch)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        world = (rendered.ROOT / "tests/local-sts/src/world/two_accounts.json").read_text()
        (home / "world.json").write_text(world.replace('"sts.amazonaws.com"', '"other.example"'))
        servers = {
            "good": serve(local_sts, home / "good"),
            "stranger": serve(local_sts, home / "stranger", "--service-account", "other"),
            "audience": serve(local_sts, home / "audience", "--world", home / "world.json"),
            "brief": serve(local_sts, home / "brief", "--token-lifetime", "1"),
        }
        try:
            shutil.copy(home / "good/token/token", home / "closed")
            shutil.copy(home / "brief/token/token", home / "expired")
            (home / "closed").chmod(0o400)
            time.sleep(1.1)  # a token's life is the thing that is waited for
            tried = set(OF_PODS | OF_OTHERS)
            for words, who, extra, command in cases(home, f"127.0.0.1:{taken.getsockname()[1]}"):
                tried.add(words)
                if command[0].startswith("as ") and os.getuid() != 0:
                    print(f"manifests: NOT TRIED: {words}: it takes root, to become another user")
                    continue
                said = say(credvend, home, who, extra, command)
                checks.that(words in said, f"symptom: {words}", said)
            checks.that(told and told <= tried, "each phrase of the manual's tables is tried", "; ".join(sorted(told - tried)))
            checks.that(tried <= told, "and each that is tried is in a table", "; ".join(sorted(tried - told)))
            command = trust_policy(manual, home / "good/token/token")
            said = say(credvend, home, "good", {"AWS_ROLE_ARN": None}, command)
            wanted = ["create-open-id-connect-provider", "account-a-role-trust.json", "account-b-role-trust.json"]
            checks.that(all(words in said for words in wanted), f"the manual's `credvend {' '.join(command)}`", said)
        finally:
            for server in servers.values():
                server.terminate()
                server.wait()


def phrases(manual):
    """What stands in backticks in the tables of the section, but for the last column, which says what to do, and for commands."""
    section = manual.partition("\n## Troubleshooting\n")[2].partition("\n## ")[0]
    for table in re.findall(r"(?m)(?:^\|.*\n)+", section):
        _, _, *rows = table.splitlines()
        for row in rows:
            for cell in row.strip("|").split(" | ")[:-1]:
                yield from (phrase for phrase in re.findall(r"`([^`]+)`", cell) if not phrase.startswith("kubectl "))


def trust_policy(manual, token):
    """What it has people run with a token in hand."""
    (command,) = re.findall(r"(?m)^ *credvend (trust-policy (?:.*\\\n)*.*)$", manual)
    return [str(token) if word == "token" else word for word in shlex.split(command.replace("\\\n", " "))]


def serve(local_sts, home, *options):
    home.mkdir()
    command = [local_sts, "--token-dir", home / "token", "--url-file", home / "url", *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not ((home / "url").exists() and (home / "token/token").exists()):
        if time.monotonic() > deadline:
            raise TimeoutError("the local STS is not up")
        time.sleep(0.02)
    return server


def cases(home, taken):
    """What is searched for; whose STS and token; variables; command."""
    once = ["run", "--once", "--timeout", "0.5s", "--credentials-file", str(home / "credentials")]
    check = ["check", "--timeout", "5s"]
    missing = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere/token"}
    expired = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "expired")}
    closed = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "closed")}
    nobody = {"CREDVEND_CHAIN_ROLE_ARNS": "arn:aws:iam::222222222222:role/nobody"}
    unreached = {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"}
    foreign = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "stranger/token/token")}
    yield "no such file; mount a projected serviceAccountToken volume there", "good", missing, once
    yield "fail  token file", "good", missing, check
    yield "permission denied to uid 1000; set fsGroup in the pod's securityContext", "good", closed, ["as 1000", "export", "--timeout", "0.5s"]
    ours = ["as 1000", "run", "--listen", "none", "--credentials-file", str(home / "credentials")]
    yield "is not permitted to create a temporary file beside", "good", {}, ours
    yield "expired at", "brief", expired, once
    yield "mount the directory rather than a subPath", "brief", expired, once
    yield "fail  token life", "brief", expired, check
    yield "STS answered InvalidIdentityToken: Incorrect token audience", "audience", {}, once
    yield "fail  hop 1", "audience", {}, check
    yield "which is not among the client IDs of", "audience", {}, check
    yield "STS answered InvalidIdentityToken: No OpenIDConnect provider found in your account", "good", foreign, once
    yield "has no IAM identity provider for the token's issuer", "good", foreign, check
    yield "Not authorized to perform sts:AssumeRoleWithWebIdentity", "stranger", {}, once
    yield "its trust policy does not allow this token", "stranger", {}, check
    yield "is not authorized to perform: sts:AssumeRole on resource", "good", nobody, once
    yield "fail  hop 2", "good", nobody, check
    yield "may not assume it", "good", nobody, check
    yield "was not reached: cannot connect", "good", unreached, once
    yield "fail  sts", "good", unreached, check
    yield "no role to assume: set AWS_ROLE_ARN or --role-arn", "good", {"AWS_ROLE_ARN": None}, ["run"]
    yield "address in use; another process listens there: choose another port", "good", {}, ["run", "--listen", taken]
    yield "can be reached from other machines: listen on 127.0.0.1", "good", {}, ["run", "--listen", "0.0.0.0:9911"]
    lost = ["run", "--listen", "none", "--credentials-file", "/nowhere/credentials"]
    yield "is a mounted directory", "good", {}, ["run", "--listen", "none", "--credentials-file", "/"]
    yield 'the directory of "/nowhere/credentials" does not exist', "good", {}, lost


def say(credvend, home, who, extra, command):
    variables = {
        "AWS_ENDPOINT_URL_STS": (home / who / "url").read_text(),
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / who / "token/token"),
        "AWS_ROLE_ARN": ROLE,
        "AWS_REGION": "eu-central-1",
        **extra,
    }
    variables = {name: value for name, value in variables.items() if value is not None}
    options = {}
    if command[0].startswith("as "):
        user = int(command[0].removeprefix("as "))
        options = {"user": user, "group": user, "extra_groups": []}
        # Where it was built, another user may not be let in.
        binary = home / "credvend"
        if not binary.exists():
            shutil.copy(credvend, binary)
        credvend, command = binary, command[1:]
    done = subprocess.run([credvend, *command], env=variables, capture_output=True, text=True, timeout=30, **options)
    return done.stdout + done.stderr
