"""Compares the messages that k8s/README.md quotes under Troubleshooting with the messages of the binary.

Each row of the tables quotes messages in every column except Exit code, Cause and Fix. All messages of a row must occur in the
output of the same scenario below, and every scenario must have a row. Update a message in the README only: it is not repeated here.
"""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import local_sts as sts
import readme
import rendered

# Columns without quotations.
EXPLANATIONS = {"Exit code", "Cause", "Fix"}
# Messages of Kubernetes, AWS and the C library.
FROM_OTHERS = {
    "CreateContainerConfigError",
    "ExpiredToken",
    "Init:CrashLoopBackOff",
    "OOMKilled",
    "Read-only file system",
    "StartError",
    "Startup probe failed",
    "You must specify a region",
    "container init was OOM-killed",
    "container has runAsNonRoot and image will run as root",
    "couldn't parse env file",
    "image has non-numeric user",
    "violates PodSecurity",
}
# The variable parts of the complete examples, and the values that the README shows for them.
EXAMPLE_VALUES = [
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", "2026-11-22T04:34:12.994098Z"),
    (r"request ID [0-9a-f-]{36}", "request ID e9efbb05-b68f-4cd9-aac3-b129b655399a"),
    (r"retry_after=[\d.]+m?s", "retry_after=1.7s"),
]


@dataclass
class Outcome:
    """The output of a scenario's commands, and the exit code of the first."""

    output: str
    exit_code: int


def check(checks, credvend, local_sts):
    troubleshooting = readme.section(readme.MANUAL.read_text(), "## Troubleshooting")
    with tempfile.TemporaryDirectory(prefix="symptoms-") as scratch:
        os.chmod(scratch, 0o755)
        with Scenarios(credvend, local_sts, Path(scratch)) as scenarios:
            outcomes = scenarios.run()
    check_messages(checks, troubleshooting, outcomes, scenarios.skipped)
    check_examples(checks, troubleshooting, outcomes["audience"].output)


def check_messages(checks, troubleshooting, outcomes, skipped):
    # These suites reproduce what takes a pod.
    suites = [rendered.ROOT / "tests/pods", rendered.ROOT / "tests/cluster"]
    pod_tests = "".join(file.read_text() for suite in suites for file in suite.rglob("*.py"))
    rows = [row for table in readme.tables(troubleshooting) for row in table]
    quoted = {message for row in rows for message in messages(row)}
    found, unmatched = set(), []
    for row in rows:
        ours = [message for message in messages(row) if message not in FROM_OTHERS]
        ours = [message for message in ours if scenarios_with([message], outcomes) or message not in pod_tests]
        matching = scenarios_with(ours, outcomes)
        if not ours:
            continue
        if not matching:
            unmatched.append(ours)
            continue
        found |= matching
        checks.that(True, f"message: {'; '.join(ours)} ({', '.join(sorted(matching))})")
        if "Exit code" in row:
            codes = {str(outcomes[name].exit_code) for name in matching}
            checks.that(row["Exit code"] in codes, f"exit code {row['Exit code']} of this message", ", ".join(sorted(codes)))
    unquoted = outcomes.keys() - found
    for ours in unmatched:
        if skipped:
            print(f"manifests: NOT TRIED: {'; '.join(ours)}: needs root, to run as another user")
            continue
        printed = "".join(f"\n--- {name}:\n{outcomes[name].output}" for name in sorted(unquoted))
        checks.that(False, f"message: {'; '.join(ours)}", f"no scenario prints this; the scenarios without a row print:{printed}")
    checks.that(not unquoted, "every scenario has a row in k8s/README.md", ", ".join(sorted(unquoted)))
    unused = FROM_OTHERS - quoted
    checks.that(quoted and not unused, "every message of others is in k8s/README.md", ", ".join(sorted(unused)))


def messages(row):
    """Returns the messages that a row quotes: the inline code that is not a command."""
    quotes = (quote for column, cell in row.items() if column not in EXPLANATIONS for quote in readme.INLINE.findall(cell))
    return [quote for quote in quotes if not quote.startswith("kubectl ")]


def scenarios_with(wanted, outcomes):
    """Returns the names of the scenarios whose output contains all these messages."""
    if not wanted:
        return set()
    return {name for name, outcome in outcomes.items() if all(message in outcome.output for message in wanted)}


def check_examples(checks, troubleshooting, output):
    """The complete examples are the output of the scenario `audience`, except for times and request IDs."""
    for pattern, value in EXAMPLE_VALUES:
        output = re.sub(pattern, value, output)
    examples = readme.code_blocks(troubleshooting, "text")
    checks.that(len(examples) == 2, "Troubleshooting has two complete examples", str(len(examples)))
    for example in examples:
        printed = "\n".join(line.strip() for line in output.splitlines())
        expected = "\n".join(line.strip() for line in example.splitlines())
        checks.that(expected in printed, f"example: {example.split()[0]} {example.split()[1]} …", output)


class Scenarios:
    """Each scenario runs credvend with one mistake."""

    def __init__(self, credvend, local_sts, home):
        self.credvend, self.local_sts, self.home = credvend, local_sts, home
        self.skipped = []
        self.servers = []

    def __enter__(self):
        self.serve("good")
        self.serve("stranger", "--service-account", "other")
        self.serve("public-issuer", "--world", sts.write_world(self.home / "public.json", "https://oidc.shop.example"))
        cluster = "https://kubernetes.default.svc.cluster.local"
        self.serve("private-issuer", "--world", sts.write_world(self.home / "private.json", cluster))
        self.serve("brief", "--token-lifetime", "1")
        shutil.copy(self.home / "good/token/token", self.home / "unreadable")
        (self.home / "unreadable").chmod(0o400)
        shutil.copy(self.home / "brief/token/token", self.home / "expired")
        audience = sts.mint(self.home / "public-issuer", audience=["https://kubernetes.default.svc"])
        (self.home / "audience").write_text(audience)
        # Another user may not have access to the directory of the binary.
        self.copied = self.home / "credvend"
        shutil.copy(self.credvend, self.copied)
        time.sleep(1.1)  # until the token has expired
        return self

    def __exit__(self, *_):
        sts.stop(*self.servers)

    def serve(self, name, *options):
        self.servers.append(sts.serve(self.local_sts, self.home / name, *options))

    def run(self):
        """Returns the outcome of each scenario."""
        token = "AWS_WEB_IDENTITY_TOKEN_FILE"
        chained = {"CREDVEND_CHAIN_ROLE_ARNS": "arn:aws:iam::222222222222:role/nobody"}
        credentials = ["run", "--listen", "none", "--credentials-file"]
        outcomes = {
            "token missing": self.exchange("good", {token: "/nowhere/token"}),
            "token expired": self.exchange("brief", {token: str(self.home / "expired")}),
            "audience": self.exchange("public-issuer", {token: str(self.home / "audience")}),
            "issuer unknown": self.exchange("good", {token: str(self.home / "stranger/token/token")}),
            "issuer not public": self.exchange("good", {token: str(self.home / "private-issuer/token/token")}),
            "trust policy": self.exchange("stranger", {}),
            "second hop": self.exchange("good", chained),
            "STS unreachable": self.exchange("good", {"AWS_ENDPOINT_URL_STS": "http://127.0.0.1:1"}),
            "no role": self.credvends("good", {"AWS_ROLE_ARN": None}, ["run"]),
            "remote address": self.credvends("good", {}, ["run", "--listen", "0.0.0.0:9911"]),
            "mounted directory": self.credvends("good", {}, [*credentials, "/"]),
            "directory missing": self.credvends("good", {}, [*credentials, "/nowhere/credentials"]),
            "no process to signal": self.credvends(
                "good", {}, ["run", "--once", "--credentials-file", str(self.home / "signaled"), "--signal", "no-such-program:HUP"]
            ),
            "unauthorized request": self.request("good", {"CREDVEND_AUTH_TOKEN_FILE": str(self.home / "authorization-token")}),
            "no credentials": self.request("stranger", {}),
        }
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            outcomes["address in use"] = self.credvends("good", {}, ["run", "--listen", address])
        if os.getuid() != 0:
            self.skipped = ["token unreadable", "directory not writable", "planted", "sticky"]
            return outcomes
        planted = self.home / "writable/credentials"
        planted.parent.mkdir()
        planted.parent.chmod(0o777)
        planted.touch()
        os.chown(planted, 1000, 1000)
        outcomes["planted"] = self.credvends("good", {}, [*credentials, str(planted)])
        sticky = self.home / "sticky/credentials"
        sticky.parent.mkdir()
        sticky.parent.chmod(0o3777)
        sticky.touch()
        outcomes["sticky"] = self.credvends("good", {}, [*credentials, str(sticky)], user=1000)
        unreadable = {token: str(self.home / "unreadable")}
        outcomes["token unreadable"] = self.exchange("good", unreadable, user=1000)
        outcomes["directory not writable"] = self.credvends("good", {}, [*credentials, str(self.home / "credentials")], user=1000)
        return outcomes

    def exchange(self, server, changes, user=None):
        """Runs an exchange as `run` does it, and then `check`."""
        once = ["run", "--once", "--timeout", "0.5s", "--credentials-file", str(self.home / "credentials")]
        if user is not None:
            # This user cannot write the file.
            once = ["export", "--timeout", "0.5s"]
        return self.credvends(server, changes, once, ["check", "--timeout", "5s"], user=user)

    def credvends(self, server, changes, *commands, user=None):
        """Runs credvend once per command."""
        options = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        output, exit_code = "", None
        for command in commands:
            done = subprocess.run(
                [self.copied, *command], env=self.environment(server, changes), capture_output=True, text=True, timeout=30, **options
            )
            output += done.stdout + done.stderr
            exit_code = done.returncode if exit_code is None else exit_code
        return Outcome(output, exit_code)

    def request(self, server, changes):
        """Requests credentials from a running `credvend run` without an authorization token."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        running = subprocess.Popen(
            [self.copied, "run"], env=self.environment(server, {**changes, "CREDVEND_LISTEN": address}), stderr=subprocess.DEVNULL
        )
        try:
            return Outcome(response(f"http://{address}/v1/credentials"), None)
        finally:
            sts.stop(running)

    def environment(self, server, changes):
        variables = {**sts.variables(self.home / server), **changes}
        return {name: value for name, value in variables.items() if value is not None}


def response(url):
    """Returns the body of the first response, whatever its status."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            return f"{error.read().decode()} ({error.code})"
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
