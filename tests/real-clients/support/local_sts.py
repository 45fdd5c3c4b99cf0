"""The strict local STS, its projected token and its record."""

import json
import urllib.request

from support.deadline import until
from support.processes import Background


class LocalSts(Background):
    def __init__(self, world, name, *options):
        self.directory = world.directory(name)
        self.token_file = self.directory / "token-volume" / "token"
        self._url_file = self.directory / "url"
        self._secrets = world.secrets
        super().__init__(
            world,
            "local-sts",
            [world.local_sts, "--token-dir", self.token_file.parent, "--url-file", self._url_file, *options],
            world.environment(),
        )

    def __enter__(self):
        # An unoptimized build takes some seconds to make its RSA key.
        until("local-sts to listen", 60, lambda: self._url_file.exists() or self.process.poll() is not None)
        self.url = self._url_file.read_text().strip()
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.requests()
        super().__exit__(*error)

    def requests(self, *actions):
        """The record, or what it has of these actions. Tokens in it are noted as secrets."""
        with urllib.request.urlopen(f"{self.url}/_local/requests", timeout=10) as answer:
            record = json.load(answer)
        for request in record:
            for kind, secret in [
                ("JWT", request["parameters"].get("WebIdentityToken")),
                ("SessionToken", request["headers"].get("x-amz-security-token")),
            ]:
                if secret:
                    self._secrets.add(kind, secret)
        return [request for request in record if not actions or request["action"] in actions]

    def exchanges(self):
        """The actions by which credentials were got, in order."""
        return [request["action"] for request in self.requests("AssumeRoleWithWebIdentity", "AssumeRole")]

    def client_variables(self):
        """What an AWS client needs to come here."""
        return {"AWS_ENDPOINT_URL_STS": self.url}

    def pod_variables(self, role):
        """What a pod's credvend has: the token, the role, the region and the way here."""
        return {
            "AWS_ROLE_ARN": role,
            "AWS_WEB_IDENTITY_TOKEN_FILE": self.token_file,
            "AWS_REGION": "us-east-1",
            **self.client_variables(),
        }
