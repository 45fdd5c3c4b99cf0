"""The strict local STS, with a projected token."""

import json
import urllib.request

from support.processes import BackgroundProcess
from support.sts_requests import EXCHANGES, select_requests
from support.waiting import wait_until


class LocalSts(BackgroundProcess):
    def __init__(self, context, name, *options):
        self.directory = context.directory(name)
        self.token_file = self.directory / "token-volume" / "token"
        self._url_file = self.directory / "url"
        self._secrets = context.secrets
        super().__init__(
            context,
            "local-sts",
            [context.local_sts, "--token-dir", self.token_file.parent, "--url-file", self._url_file, *options],
            context.environment(),
        )

    def __enter__(self):
        # An unoptimized build needs some seconds to generate its RSA key.
        wait_until("local-sts listens", 60, lambda: self._url_file.exists() or not self.is_running())
        self.url = self._url_file.read_text().strip()
        return self

    def __exit__(self, *error):
        if self.is_running():
            # Add the tokens in the requests to the secrets.
            self.requests()
        super().__exit__(*error)

    def requests(self, *actions):
        """Returns the recorded requests for these actions, or all requests."""
        with urllib.request.urlopen(f"{self.url}/_local/requests", timeout=10) as response:
            return select_requests(json.load(response), self._secrets, actions)

    def exchanges(self):
        """Returns the actions of all requests for credentials, in order."""
        return [request["action"] for request in self.requests(*EXCHANGES)]

    def client_variables(self):
        """Returns the environment variables that point an AWS client at this STS."""
        return {"AWS_ENDPOINT_URL_STS": self.url}

    def pod_variables(self, role):
        """Returns the environment variables of credvend in a pod: role, token file, region and STS endpoint."""
        return {
            "AWS_ROLE_ARN": role,
            "AWS_WEB_IDENTITY_TOKEN_FILE": self.token_file,
            "AWS_REGION": "us-east-1",
            **self.client_variables(),
        }
