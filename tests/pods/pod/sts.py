"""local-sts in its own container in the pods' network. It projects the token volume that pods mount."""

import json

from pod import volumes
from pod.container import Container
from pod.server import PROGRAMS, Server
from support.checks import CheckFailed
from support.sts_requests import select_requests
from support.waiting import wait_until

PORT = 8080
NAME = "sts.aws.test"

# The control routes accept only loopback peers, so this runs in the container's network namespace.
CONTROL = """
import sys, urllib.request
method, path, body = sys.argv[1:]
request = urllib.request.Request(f"http://127.0.0.1:8080/_local/{path}", body.encode() or None, method=method)
print(urllib.request.urlopen(request, timeout=10).read().decode(), end="")
"""


class Sts(Container):
    def __init__(self, cluster, name, *options):
        super().__init__(cluster.engine, name)
        self._secrets = cluster.secrets
        self.token_volume = cluster.directory(f"{name}-token")
        volumes.set_owner_and_mode(self.token_volume, 0o755, cluster.group)
        cluster.engine(
            "run", "--detach", "--name", name, "--network", cluster.network, *cluster.restricted(),
            # Its files belong to root and the fsGroup, like those of the kubelet's projected volumes.
            "--user", f"0:{cluster.group}", "--volume", f"{self.token_volume}:/token", cluster.sts_image,
            "--listen", f"0.0.0.0:{PORT}", "--token-dir", "/token", "--token-mode", "0640", *options,
        )
        self.address = self.address_in(cluster.network)
        wait_until("local-sts projects a token", 10, lambda: (self.token_volume / "token").exists())
        wait_until("local-sts responds", 10, self._responds)
        self.url = f"http://{NAME}:{PORT}"
        self.dns = Server(
            cluster, f"{name}-dns", "python3", "-B", "/dns.py", NAME, self.address, ready="listening",
            files={"/dns.py": PROGRAMS / "dns.py"},
        ).address

    def _responds(self):
        try:
            return self.control("GET", "requests")
        except CheckFailed:
            return False

    def control(self, method, path, body=""):
        """Calls a control route and returns the body of the response."""
        body = body if isinstance(body, str) else json.dumps(body)
        return self.run_in_network("python3", "-c", CONTROL, method, path, body)

    def inject_fault(self, kind, **options):
        self.control("POST", "faults", [{"kind": kind, **options}])

    def clear_faults(self):
        self.control("DELETE", "faults")

    def mint(self, **claims):
        token = self.control("POST", "token", claims)
        self._secrets.add("JWT", token)
        return token

    def requests(self, *actions):
        """Returns the recorded requests for these actions, or all requests."""
        return select_requests(json.loads(self.control("GET", "requests")), self._secrets, actions)
