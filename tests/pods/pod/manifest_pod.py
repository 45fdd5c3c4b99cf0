"""A pod from a manifest, with the kubelet's volumes, users, variables, and order of start and termination.

An unknown field is a failed check, so that no part of a manifest is ignored.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

import re

from pod import volumes
from pod.env_file import EnvFileError, value_of
from pod.pod import Pod
from pod.server import PROGRAMS
from rendered import is_credvend
from support.checks import CheckFailed

# The user in images/Containerfile.
CREDVEND_USER = 65532
KNOWN = {
    "pod": {
        "automountServiceAccountToken", "containers", "dnsPolicy", "enableServiceLinks", "initContainers", "restartPolicy",
        "schedulerName", "securityContext", "serviceAccount", "serviceAccountName", "shareProcessNamespace",
        "terminationGracePeriodSeconds", "volumes",
    },
    "pod's securityContext": {"fsGroup", "runAsGroup", "runAsNonRoot", "runAsUser", "seccompProfile"},
    "container": {
        "args", "command", "env", "image", "imagePullPolicy", "name", "ports", "readinessProbe", "resources", "restartPolicy",
        "securityContext", "startupProbe", "terminationMessagePath", "terminationMessagePolicy", "volumeMounts",
    },
    "container's securityContext": {
        "allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem", "runAsGroup", "runAsNonRoot", "runAsUser",
        "seccompProfile",
    },
    "env": {"name", "value", "valueFrom"},
    "volumeMount": {"mountPath", "name", "readOnly", "subPath"},
}


class ManifestPod(Pod):
    def __init__(self, cluster, name, spec, config_maps=None, sts=None, variables=None, age=0):
        """Creates a pod.

        `config_maps` maps the name of each ConfigMap to its data. `variables` are set in every container. `age` is the age
        of the projected tokens in seconds.
        """
        super().__init__(cluster, name, sts=sts)
        require_known_fields("pod", spec)
        self.spec = spec
        self.context = spec.get("securityContext", {})
        require_known_fields("pod's securityContext", self.context)
        self.group = self.context.get("fsGroup")
        self.started = {}
        self._cluster = cluster
        self._config_maps = config_maps or {}
        self._variables = {"AWS_ENDPOINT_URL_STS": self.sts.url, **(variables or {})}
        self._age = age
        self._volumes = {}

    @property
    def init_containers(self):
        return self.spec.get("initContainers", [])

    @property
    def sidecars(self):
        """The names of the native sidecars, in order."""
        return [container["name"] for container in self.init_containers if container.get("restartPolicy") == "Always"]

    @property
    def applications(self):
        return [container["name"] for container in self.spec["containers"]]

    def __enter__(self):
        """Creates the volumes, before any container."""
        super().__enter__()
        for volume in self.spec.get("volumes", []):
            name = volume["name"]
            (kind,) = volume.keys() - {"name"}
            self._volumes[name] = self._volume(self.directory / "volumes" / name, kind, volume[kind])
        return self

    def start(self):
        """Starts the init containers one after another, then the other containers, and waits until they are ready.

        The next init container starts when the previous one has exited or, for a sidecar, has passed its startup probe.
        """
        for container in self.init_containers:
            running = self.launch(container)
            if container.get("restartPolicy") != "Always":
                running.expect_success()
            elif "startupProbe" in container:
                running.wait_for_probe(container["startupProbe"])
        for container in self.spec["containers"]:
            self.launch(container)
        for container in self.spec["containers"]:
            if "readinessProbe" in container:
                self.started[container["name"]].wait_for_probe(container["readinessProbe"])

    def stop(self):
        """Terminates the pod as on deletion. Returns the seconds that each native sidecar needed to exit."""
        grace_period = self.spec.get("terminationGracePeriodSeconds", 30)
        applications = [self.started[name] for name in self.applications]
        sidecars = [self.started[name] for name in self.sidecars]
        return self.terminate([a for a in applications if a.is_running()], sidecars, grace_period)

    # Volumes

    def volume(self, name):
        """Returns the directory of a volume on this machine."""
        return self._volumes[name]

    def file_of(self, container, path):
        """Returns the path on this machine of a file in a container's volume."""
        for mount in container["volumeMounts"]:
            if path.startswith(mount["mountPath"]):
                return self._volumes[mount["name"]] / mount.get("subPath", path.removeprefix(mount["mountPath"]).lstrip("/"))
        raise CheckFailed(f"{container['name']} has no volume mounted at {path}")

    def _volume(self, directory, kind, source):
        if kind == "emptyDir":
            size = source.get("sizeLimit", "1Mi").removesuffix("i").lower()
            return volumes.empty_dir(directory, group=self.group, memory=source.get("medium") == "Memory", size=size)
        if kind == "configMap":
            return volumes.atomic(directory, self._config_maps[source["name"]], source.get("defaultMode", 0o644))
        if kind == "projected":
            tokens = {entry["path"]: self._token(entry) for entry in (s["serviceAccountToken"] for s in source["sources"])}
            mode, user = self._token_mode_and_user(source.get("defaultMode", 0o644))
            return volumes.atomic(directory, tokens, mode, user, self.group)
        raise CheckFailed(f"this test does not support volumes of kind {kind}")

    def _token(self, source):
        return self.sts.mint(
            audience=[source["audience"]], lifetime=source["expirationSeconds"], issued_at_offset=-self._age,
            service_account=self.spec.get("serviceAccountName", "default"), pod_name=self.name,
        )

    def _token_mode_and_user(self, mode):
        """Returns the mode and owner of the token file by the kubelet's rules: KEP 2451, "Proposed heuristics"."""
        users = {self._user(container) for container in [*self.init_containers, *self.spec["containers"]]}
        # The user, if all containers have the same.
        user = users.pop() if len(users) == 1 else None
        if user is not None or self.group is not None:
            mode = 0o600
        if self.group is not None:
            mode |= 0o440
        return mode, user or 0

    def _user(self, container):
        return container.get("securityContext", {}).get("runAsUser", self.context.get("runAsUser"))

    # Containers

    def launch(self, container):
        """Starts a container and returns it."""
        require_known_fields("container", container)
        has_credvend_image = is_credvend(container)
        words = [*self._security(container), *self._mounts(container), *self._resources(container)]
        for name, value in self.variables(container).items():
            words += ["--env", f"{name}={value}"]
        if has_credvend_image:
            words += [self._cluster.image]
            command = [*container.get("command", ["/credvend"])[1:], *container.get("args", [])]
        else:
            words += ["--volume", f"{PROGRAMS / 'application'}:/application:ro", "--rootfs", f"{self._cluster.clients}:O"]
            # A command also replaces the image's arguments.
            arguments = container.get("args", [] if "command" in container else self._image_arguments(container))
            command = [*container.get("command", entrypoint(container)), *arguments]
        running = self.container(container["name"], *words, *command)
        self.started[container["name"]] = running
        if has_credvend_image or "/credvend" in command[0]:
            self._credvend_containers.append(running)
        return running

    def _image_arguments(self, container):
        """Returns the image's CMD: `serve`, unless the container must exit by itself."""
        exits = container in self.init_containers and container.get("restartPolicy") != "Always"
        return [] if exits or self.spec.get("restartPolicy", "Always") != "Always" else ["serve"]

    def _security(self, container):
        context = container.get("securityContext", {})
        require_known_fields("container's securityContext", context)
        user = self._user(container)
        if user is None and not is_credvend(container):
            user = image_user(container, self._cluster.application)
        if user == 0 and context.get("runAsNonRoot", self.context.get("runAsNonRoot")):
            raise CheckFailed(f"{container['name']}: container has runAsNonRoot and image will run as root")
        group = context.get("runAsGroup", self.context.get("runAsGroup"))
        if user is None and group is not None:
            user = CREDVEND_USER
        words = [] if user is None else ["--user", user if group is None else f"{user}:{group}"]
        if context.get("readOnlyRootFilesystem"):
            words += ["--read-only", "--read-only-tmpfs=false"]
        if context.get("allowPrivilegeEscalation") is False:
            words += ["--security-opt", "no-new-privileges"]
        for capability in context.get("capabilities", {}).get("drop", []):
            words += ["--cap-drop", capability.lower()]
        # podman's default profile corresponds to RuntimeDefault.
        if "seccompProfile" not in {**self.context, **context}:
            words += ["--security-opt", "seccomp=unconfined"]
        if self.group is not None:
            words += ["--group-add", self.group]
        return words

    def _mounts(self, container):
        words = []
        for mount in container.get("volumeMounts", []):
            require_known_fields("volumeMount", mount)
            source = self._volumes[mount["name"]] / mount.get("subPath", "")
            if not source.exists():
                source.mkdir()
            # The kubelet resolves a subPath once, when the container starts.
            source = source.resolve()
            words += ["--volume", f"{source}:{mount['mountPath']}:{'ro' if mount.get('readOnly') else 'rw'}"]
        return words

    def _resources(self, container):
        limit = container.get("resources", {}).get("limits", {}).get("memory")
        if limit is None:
            return []
        limit = limit.removesuffix("i").lower()
        return ["--memory", limit, "--memory-swap", limit]

    def variables(self, container):
        found = dict(self._variables)
        if not is_credvend(container):
            # The variables of the image. There is no instance metadata service in these tests.
            found |= {
                "HOME": "/", "PYTHONPATH": "/opt/clients", "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1",
            }
        for entry in container.get("env", []):
            require_known_fields("env", entry)
            if "valueFrom" in entry:
                value = self._from_file(**entry["valueFrom"])
            else:
                value = re.sub(r"\$\((\w+)\)", lambda match: found.get(match[1], match[0]), entry.get("value", ""))
            if value is not None:
                found[entry["name"]] = value
        return found

    def _from_file(self, fileKeyRef):
        path = self._volumes[fileKeyRef["volumeName"]] / fileKeyRef["path"]
        try:
            return value_of(fileKeyRef["key"], path.read_text())
        except EnvFileError as error:
            if fileKeyRef.get("optional"):
                return None
            raise CheckFailed(f"CreateContainerConfigError: {error}") from error


def require_known_fields(kind, fields):
    if unknown := set(fields) - KNOWN[kind]:
        raise CheckFailed(f"this test does not support these fields of a {kind}: {', '.join(sorted(unknown))}")


def image_user(container, default):
    """Returns the user of the image: root for the official image of the AWS CLI."""
    return 0 if "/aws-cli:" in container["image"] else default


def entrypoint(container):
    """Returns the entry point of the image."""
    return ["python3", "-B", "-m", "awscli"] if "/aws-cli:" in container["image"] else ["/application"]
