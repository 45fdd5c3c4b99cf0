"""The rig of a check: a local STS, the gate, credvend and the client, all of which end with the check."""

import contextlib
import os
import secrets
import subprocess
import threading
import time

from matrix.gate import Gate
from matrix.probe import Probe
from matrix.spy import Spy
from stage.sts import Sts
from support.checks import CheckFailed
from support.commands import run_command, stdout_of
from support.context import ClientsContext
from support.processes import BackgroundProcess, free_port
from support.roles import ROLE_A, ROLE_B
from support.waiting import wait_until


class Rig(ClientsContext):
    """Credvend vends role B by way of role A, so that a session of role A is one that the client got by itself."""

    def __init__(self, suite, output, scratch, *sts_options):
        super().__init__(suite.credvend, suite.local_sts, scratch)
        self._suite, self.output, self._sts_options = suite, output, sts_options
        self._ends = contextlib.ExitStack()
        self.shared = self.directory("shared")
        self.authorization = self.shared / "authorization"
        self.credentials_file = self.shared / "credentials"
        self.config_file = self.shared / "config"
        self.sidecar = None
        self.spy = None

    def __enter__(self):
        self.port, self.metadata_port = free_port(), free_port()
        self.metadata_address = f"127.0.0.1:{self.metadata_port}"
        self.endpoint_url, self.metadata_url = f"http://127.0.0.1:{self.port}", f"http://{self.metadata_address}"
        self.sts = self._ends.enter_context(Sts(self, "sts", *self._sts_options))
        self.gate = Gate(self.sts.url)
        self._ends.callback(self.gate.close)
        return self

    def __exit__(self, *error):
        self.stop_sidecar()
        self._ends.close()

    def start_sidecar(self, ready=True):
        """Starts credvend for the output; without `ready`, returns as soon as it listens."""
        if self.output.options is None:
            return
        options = [str(option) for option in self.output.options(self)]
        if "--listen" not in options:
            options += ["--listen", f"127.0.0.1:{self.port}"]
        self._address = options[options.index("--listen") + 1]
        env = self.environment(**self._pod_variables(), CREDVEND_LOG="debug")
        self.sidecar = BackgroundProcess(self, "credvend", [self.credvend, "run", *options], env)
        self.sidecar.wait_for(r"http://[^ ]+/v1/credentials")
        if ready:
            wait_until("credvend is ready", 20, self._is_ready)

    def _is_ready(self):
        env = self.environment(CREDVEND_LISTEN=self._address)
        return run_command([self.credvend, "health"], 10, env=env).returncode == 0

    def write_once(self):
        """Makes credvend write the credentials file once, and returns its log."""
        command = [self.credvend, "run", "--once", "--credentials-file", self.credentials_file]
        written = run_command(command, 30, env=self.environment(**self._pod_variables()))
        stdout_of(written)
        return written.stderr

    def stop_sidecar(self):
        if self.sidecar:
            self.sidecar.__exit__()
            self.sidecar = None

    def insert_spy(self, spoil=None):
        """Puts a relay between the client and the endpoint or the metadata service, which records and may spoil documents."""
        self.spy = Spy({"metadata": self.metadata_port}.get(self.output.kind, self.port), spoil)
        self._ends.callback(self.spy.close)
        if self.output.kind == "metadata":
            self.metadata_url = self.spy.url
        else:
            self.endpoint_url = self.spy.url

    def when(self, condition, seconds, function):
        """Calls the function these seconds after the condition became true, or after half a minute, in the rig's network."""

        def work():
            with contextlib.suppress(CheckFailed):
                wait_until("the condition is true", 30, condition)
            time.sleep(seconds)
            function()

        thread = threading.Thread(target=work)
        thread.start()
        self._ends.callback(thread.join)

    def refused(self):
        """Returns true once credvend answered 503."""
        return "status=503" in self.sidecar.output() or (self.spy and 503 in self.spy.statuses)

    def fail_sts(self):
        """From now on STS answers 503 to requests for credentials."""
        for action in ("AssumeRoleWithWebIdentity", "AssumeRole"):
            self.sts.fault({"server_error": {"status": 503}}, action=action)

    def probe(self, client, place, **variables):
        """Returns the client with the variables of the output, and these."""
        need = client.needs.get(self.output.name)
        given = {name: str(value) for name, value in self.output.variables(self).items()}
        more = {**client.variables, **(need.variables if need else {})}
        env = self.environment(AWS_REGION="us-east-1", PROBE_ENDPOINT=self.gate.client_url)
        if self.output.kind == "exec":
            env.update(self._exec_variables())
        env.update(given)
        url = self.gate.client_url
        formats = {**given, "PLACE": place, "ENDPOINT": url, "ADDRESS": url.partition("//")[2], "HOME": self.home}
        env.update({name: value.format_map(formats) for name, value in more.items()})
        env.update({name: str(value) for name, value in variables.items()})
        if self.output.kind in ("metadata", "fixed"):
            del env["AWS_EC2_METADATA_DISABLED"]
        command = [str(word) for word in client.command(place)]
        command += need.arguments if need else ()
        command = [word.format_map(formats) if "{" in word else word for word in command]
        if self.output.kind == "exec":
            command = [self.credvend, "exec", "--", *command]
        return Probe(self, client, command, env)

    def rotate_authorization(self):
        """Replaces the authorization token, as another program would."""
        new = self.authorization.with_name("authorization.new")
        new.write_text(secrets.token_urlsafe(32))
        new.rename(self.authorization)

    def pair_variables(self):
        """Returns the variables that the EKS webhook injects, for role A, with a token file of the client's own."""
        self.pair_token = self.shared / "token"
        self.pair_token.write_bytes(self.sts.token_file.read_bytes())
        # With the option `relatime`, a file system updates a time of access that is older than the modification.
        os.utime(self.pair_token, (0, time.time()))
        return {
            "AWS_ROLE_ARN": ROLE_A,
            "AWS_WEB_IDENTITY_TOKEN_FILE": self.pair_token,
            "AWS_ENDPOINT_URL_STS": self.gate.client_url,
        }

    def pair_was_read(self):
        """Returns true if the client read its token file."""
        return self.pair_token.stat().st_atime > 0

    def exported_variables(self):
        """Returns the variables that a shell has after it evaluated the output of `credvend export`."""
        exported = run_command([self.credvend, "export"], 60, env=self.environment(**self._pod_variables()))
        shell = ["env", "-i", "/bin/sh", "-c", 'eval "$1"; exec env -0', "sh", stdout_of(exported)]
        lines = subprocess.run(shell, capture_output=True, check=True, text=True).stdout.split("\0")
        pairs = (line.split("=", 1) for line in lines if line.startswith("AWS_"))
        return {name: value for name, value in pairs}

    def installed_binary(self):
        """Returns a copy of credvend in the shared directory, as `credvend install` makes it."""
        binary = self.shared / "credvend"
        if not binary.exists():
            os.link(self._suite.binary_copy, binary)
        return binary

    def _pod_variables(self):
        return {**self.sts.pod_variables(ROLE_A), "AWS_ENDPOINT_URL_STS": self.gate.vendor_url, "CREDVEND_CHAIN_ROLE_ARNS": ROLE_B}

    def _exec_variables(self):
        return {**{name: str(value) for name, value in self._pod_variables().items()}, "CREDVEND_LOG": "warn"}
