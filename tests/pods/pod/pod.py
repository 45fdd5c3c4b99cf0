"""A pod: containers that share a network namespace and volumes, and that start and stop in the kubelet's order."""

import json

from pod import volumes
from pod.container import Container
from pod.pod_container import PodContainer

TOKEN_DIRECTORY = "/var/run/secrets/eks.amazonaws.com/serviceaccount"


class Pod:
    """The `with` block removes the containers at its end, and keeps the logs of credvend for the scenario `logs`."""

    def __init__(self, cluster, name, sts=None):
        self._cluster = cluster
        self._engine = cluster.engine
        self.sts = sts or cluster.sts
        self.name = f"{name}-{cluster.number()}"
        self.group = cluster.group
        self.directory = cluster.directory(self.name)
        self._credvend_containers = []

    def __enter__(self):
        # In Kubernetes, the containers of a pod share these namespaces, but not the process namespace.
        self._engine(
            "pod", "create", "--name", self.name, "--network", self._cluster.network, "--share", "net,ipc,uts",
            # As in the kubelet's resolv.conf: names with fewer than five dots are first resolved in the cluster's domains.
            "--dns", self.sts.dns, "--dns-search", "shop.svc.cluster.test", "--dns-search", "svc.cluster.test",
            "--dns-option", "ndots:5",
        )
        self._engine("pod", "start", self.name)
        return self

    def __exit__(self, *_):
        for container in self._credvend_containers:
            (self._cluster.logs / f"{container.name}.log").write_text(container.logs())
        self._engine("pod", "rm", "--force", "--time", "0", self.name)

    def empty_dir(self, name):
        return volumes.empty_dir(self.directory / name, self.group)

    def credvend(self, *arguments, name="credvend", variables=None, mounts=None, options=()):
        """Starts a container of credvend's image with the variables of the EKS webhook and the token volume."""
        mounts = {f"{TOKEN_DIRECTORY}:ro": self.sts.token_volume, **(mounts or {})}
        container = self.container(
            name, *self._options(self.pod_variables(), variables, mounts), *options, self._cluster.image, *arguments
        )
        self._credvend_containers.append(container)
        return container

    def application(self, name, *command):
        """Starts a container of an application, as another user than credvend."""
        return self.container(
            name, *self._options({"HOME": "/"}, {}, {}), "--user", self._cluster.application,
            "--rootfs", f"{self._cluster.python_root}:O", *command,
        )

    def pod_variables(self):
        return {
            "AWS_ROLE_ARN": self._cluster.role, "AWS_WEB_IDENTITY_TOKEN_FILE": f"{TOKEN_DIRECTORY}/token",
            "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_STS": self.sts.url, "CREDVEND_LOG": "debug",
        }

    def _options(self, base, variables, mounts):
        words = [*self._cluster.restricted(), "--group-add", self.group]
        for name, value in {**base, **(variables or {})}.items():
            words += ["--env", f"{name}={value}"]
        for path, source in mounts.items():
            words += ["--volume", f"{source}:{path}"]
        return words

    def container(self, name, *words):
        name = f"{self.name}-{name}"
        self._engine("run", "--detach", "--name", name, "--pod", self.name, *words)
        return PodContainer(self._engine, name)

    @property
    def _infrastructure(self):
        """The container that holds the network namespace."""
        pod = json.loads(self._engine("pod", "inspect", self.name))
        return Container(self._engine, pod["InfraContainerID"])

    def run_in_network(self, *command, **options):
        """Runs a program of this machine in the pod's network namespace, and returns its stdout."""
        return self._infrastructure.run_in_network(*command, **options)

    def terminate(self, applications, sidecars, grace_period=30):
        """Sends SIGTERM to the applications and, after they have exited, to the sidecars, one by one in reverse order.

        Returns the seconds that each sidecar needed to exit.
        """
        for application in applications:
            application.signal("TERM")
        for application in applications:
            application.wait(grace_period)
        return [sidecar.terminate("TERM", grace_period) for sidecar in reversed(sidecars)]
