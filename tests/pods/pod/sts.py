"""local-sts in a container of its own on the pods' network, projecting the token volume that pods mount."""

import json

from pod import volumes
from pod.engine import in_network_of
from pod.server import PROGRAMS, Server
from support.checks import CheckFailed
from support.deadline import until

WORLD = PROGRAMS.parent / "world.json"
PORT = 8080
NAME = "sts.aws.test"

# The control routes answer loopback alone, so this runs inside the container's network namespace.
ASK = """
import sys, urllib.request
method, path, body = sys.argv[1:]
request = urllib.request.Request(f"http://127.0.0.1:8080/_local/{path}", body.encode() or None, method=method)
print(urllib.request.urlopen(request, timeout=10).read().decode(), end="")
"""


class Sts:
    def __init__(self, cluster, name, *options):
        self._cluster = cluster
        self.name = name
        self.token_volume = cluster.directory(f"{name}-token")
        volumes.own(self.token_volume, 0o755, cluster.group)
        cluster.engine(
            "run", "--detach", "--name", name, "--network", cluster.network, *cluster.restricted(),
            # What it writes is root's and the fsGroup's, as a kubelet's projected volume is.
            "--user", f"0:{cluster.group}", "--volume", f"{self.token_volume}:/token",
            "--volume", f"{WORLD}:/world.json:ro", cluster.sts_image, "--listen", f"0.0.0.0:{PORT}", "--world", "/world.json",
            "--token-dir", "/token", "--token-mode", "0640", *options,
        )
        inspected = json.loads(cluster.engine("inspect", name))[0]
        self._pid = inspected["State"]["Pid"]
        self.address = inspected["NetworkSettings"]["Networks"][cluster.network]["IPAddress"]
        until("local-sts to project a token", 10, lambda: (self.token_volume / "token").exists())
        until("local-sts to answer", 10, self._answers)
        self.url = f"http://{NAME}:{PORT}"
        self.dns = Server(
            cluster, f"{name}-dns", "python3", "-B", "/dns.py", NAME, self.address, ready="listening",
            files={"/dns.py": PROGRAMS / "dns.py"},
        ).address

    def _answers(self):
        try:
            return self.ask("GET", "requests")
        except CheckFailed:
            return False

    def ask(self, method, path, body=""):
        body = body if isinstance(body, str) else json.dumps(body)
        return in_network_of(self._pid, "python3", "-c", ASK, method, path, body)

    def fault(self, kind, **more):
        self.ask("POST", "faults", [{"kind": kind, **more}])

    def clear_faults(self):
        self.ask("DELETE", "faults")

    def mint(self, **claims):
        token = self.ask("POST", "token", claims)
        self._cluster.secrets.add("JWT", token)
        return token

    def requests(self, *actions):
        """The record, or what it has of these actions. Tokens in it are noted as secrets."""
        record = json.loads(self.ask("GET", "requests"))
        for request in record:
            for kind, secret in [
                ("JWT", request["parameters"].get("WebIdentityToken")),
                ("SessionToken", request["headers"].get("x-amz-security-token")),
            ]:
                if secret:
                    self._cluster.secrets.add(kind, secret)
        return [request for request in record if not actions or request["action"] in actions]

    def exchanges(self):
        """How many times credentials were got."""
        return len(self.requests("AssumeRoleWithWebIdentity", "AssumeRole"))
