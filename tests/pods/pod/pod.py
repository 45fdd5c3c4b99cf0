"""A pod: containers that share a network namespace and volumes, and start and end in the kubelet's order."""

import json
import os
import re
import signal
import time
from datetime import datetime

from pod import volumes
from pod.engine import in_network_of
from support.checks import CheckFailed
from support.deadline import until

TOKEN_DIRECTORY = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
ENDPOINT = "http://127.0.0.1:9911/v1/credentials"
# The AWS CLI of tests/real-clients/requirements.txt; Debian's own is `aws`.
AWS = ("python3", "-B", "-m", "awscli")


class Pod:
    """Its containers are removed when the `with` block ends; the logs of credvend's are kept for the last story."""

    def __init__(self, cluster, name, sts=None):
        self._cluster = cluster
        self._engine = cluster.engine
        self.sts = sts or cluster.sts
        self.name = f"{name}-{cluster.number()}"
        self.group = cluster.group
        self.directory = cluster.directory(self.name)
        self._vending = []

    def __enter__(self):
        # Kubernetes' containers share these namespaces, and not the one of processes.
        self._engine(
            "pod", "create", "--name", self.name, "--network", self._cluster.network, "--share", "net,ipc,uts",
            # As a kubelet writes resolv.conf: every name of fewer than five dots is looked for in the cluster first.
            "--dns", self.sts.dns, "--dns-search", "shop.svc.cluster.test", "--dns-search", "svc.cluster.test",
            "--dns-option", "ndots:5",
        )
        self._engine("pod", "start", self.name)
        return self

    def __exit__(self, *_):
        for container in self._vending:
            (self._cluster.logs / f"{container.name}.log").write_text(container.logs())
        self._engine("pod", "rm", "--force", "--time", "0", self.name)

    def empty_dir(self, name, **more):
        return volumes.empty_dir(self.directory / name, group=self.group, **more)

    def credvend(self, *arguments, name="credvend", token=True, variables=None, mounts=None, options=()):
        """A container of the image, with what the EKS webhook injects and, where `token` says so, the token volume."""
        mounts = dict(mounts or {})
        if token:
            mounts[f"{TOKEN_DIRECTORY}:ro"] = self.sts.token_volume
        container = self.container(
            name, *self._options(self.pod_variables(), variables, mounts), *options, self._cluster.image, *arguments
        )
        self._vending.append(container)
        return container

    def client(self, name, *command, variables=None, mounts=None, options=()):
        """A container of somebody else's, under a user of its own, that is pointed at the endpoint."""
        base = {
            "HOME": "/", "PYTHONPATH": "/opt/clients",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": ENDPOINT, **self.aws_variables(),
        }
        return self.container(
            name, *self._options(base, variables, mounts or {}), "--user", self._cluster.application, *options,
            "--rootfs", f"{self._cluster.clients}:O", *command,
        )

    def aws_variables(self):
        return {
            "AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL_STS": self.sts.url,
        }

    def pod_variables(self):
        return {
            "AWS_ROLE_ARN": self._cluster.role, "AWS_WEB_IDENTITY_TOKEN_FILE": f"{TOKEN_DIRECTORY}/token",
            "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_STS": self.sts.url, "CREDVEND_LOG": "debug",
        }

    def _options(self, base, variables, mounts):
        words = list(self._cluster.restricted())
        if self.group is not None:
            words += ["--group-add", self.group]
        for name, value in {**base, **(variables or {})}.items():
            if value is not None:
                words += ["--env", f"{name}={value}"]
        for place, source in mounts.items():
            words += ["--volume", f"{source}:{place}"]
        return words

    def container(self, name, *words):
        name = f"{self.name}-{name}"
        self._engine("run", "--detach", "--name", name, "--pod", self.name, *words)
        return Container(self._engine, name)

    @property
    def _infrastructure(self):
        """The container that holds the network namespace."""
        pod = json.loads(self._engine("pod", "inspect", self.name))
        return json.loads(self._engine("inspect", pod["InfraContainerID"]))[0]

    @property
    def address(self):
        """The pod's IP address."""
        return self._infrastructure["NetworkSettings"]["Networks"][self._cluster.network]["IPAddress"]

    def in_network(self, *command, **more):
        """Runs a program of this machine in the pod's network namespace."""
        return in_network_of(self._infrastructure["State"]["Pid"], *command, **more)

    def terminate(self, applications, sidecars, grace=30):
        """SIGTERM to the applications; when the last has ended, to the sidecars, one by one in reverse order.

        The seconds that each sidecar took.
        """
        for application in applications:
            application.signal("TERM")
        for application in applications:
            application.end(grace)
        return [sidecar.ended_by("TERM", grace) for sidecar in reversed(sidecars)]


class Container:
    def __init__(self, engine, name):
        self._engine = engine
        self.name = name

    def logs(self):
        """What `kubectl logs` shows."""
        done = self._engine.may_fail("logs", self.name)
        return done.stdout + done.stderr

    def state(self):
        return json.loads(self._engine("inspect", self.name))[0]["State"]

    @property
    def pid(self):
        return self.state()["Pid"]

    @property
    def user(self):
        """The user ID of its process."""
        return os.stat(f"/proc/{self.pid}").st_uid

    def running(self):
        return self.state()["Status"] == "running"

    def execute(self, *command, seconds=10):
        """As an exec probe: the exit code."""
        return self._engine.may_fail("exec", self.name, *command, seconds=seconds).returncode

    def says(self, *command):
        """As `kubectl exec`: what a program in it prints."""
        return self._engine("exec", self.name, *command)

    def startup_probe(self):
        self.succeeds({"exec": {"command": ["/credvend", "health"]}})

    def succeeds(self, probe, seconds=30):
        """Runs a probe as often as need be."""

        def once():
            if not self.running():
                raise CheckFailed(f"{self.name} ended: {self.logs()[-1500:]}")
            return self.execute(*probe["exec"]["command"]) == 0

        try:
            until("a probe", seconds, once)
        except CheckFailed as error:
            raise CheckFailed(f"{error}; {self.name} wrote {self.logs()[-1500:]}") from error

    def signal(self, name):
        os.kill(self.pid, signal.Signals[f"SIG{name}"])

    def ended_by(self, name, seconds=30):
        """The seconds from that signal to its end, as its supervisor saw it: podman's own pace is not in them."""
        pid, asked = self.pid, time.time()
        os.kill(pid, signal.Signals[f"SIG{name}"])
        self.end(seconds)
        # The system's clock for files is some milliseconds behind.
        return max(0.0, self.ended_at() - asked)

    def ended_at(self):
        moment = self._engine("inspect", "--format", "{{.State.FinishedAt.UTC.Format \"2006-01-02T15:04:05.000000\"}}", self.name)
        return datetime.fromisoformat(f"{moment}+00:00").timestamp()

    def end(self, seconds=30):
        """Its exit code, once it has ended."""
        try:
            return int(self._engine("wait", "--interval", "20ms", self.name, seconds=seconds))
        except CheckFailed as error:
            raise CheckFailed(f"{error}; {self.name} wrote {self.logs()[-1500:]}") from error

    def must_end_well(self, seconds=30):
        """What it wrote."""
        status = self.end(seconds)
        if status != 0:
            raise CheckFailed(f"{self.name} ended with {status}: {self.logs()[-1500:]}")
        return self.logs()

    def wait_for(self, pattern, seconds=15):
        """The first line that matches."""

        def probe():
            ended = not self.running()
            match = re.search(f"^.*(?:{pattern}).*$", self.logs(), re.MULTILINE)
            if ended and not match:
                raise CheckFailed(f"{self.name} ended without a line {pattern!r}: {self.logs()[-1500:]}")
            return match

        return until(f"{self.name} to write {pattern!r}", seconds, probe)[0]

    def in_network(self, *command, **more):
        return in_network_of(self.pid, *command, **more)

    def credentials(self, path="/v1/credentials", authorization=None):
        """Status and document that the endpoint gives to somebody in this pod."""
        words = ["curl", "--silent", "--max-time", "5", "--write-out", "\n%{http_code}"]
        if authorization:
            words += ["--header", f"Authorization: {authorization}"]
        body, _, status = self.in_network(*words, f"http://127.0.0.1:9911{path}").rpartition("\n")
        return int(status), json.loads(body)
