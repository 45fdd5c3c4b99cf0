"""A pod of a manifest, run as the kubelet would: its volumes, users and variables, and its order of start and end.

A field that is not known here is an error, so that nothing of a manifest is passed over unseen.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
"""

import re

from pod import volumes
from pod.env_file import EnvFileError, value_of
from pod.pod import Pod
from pod.server import PROGRAMS
from support.checks import CheckFailed

KNOWN = {
    "pod": {
        "automountServiceAccountToken", "containers", "dnsPolicy", "enableServiceLinks", "initContainers", "restartPolicy",
        "schedulerName", "securityContext", "serviceAccount", "serviceAccountName", "shareProcessNamespace",
        "terminationGracePeriodSeconds", "volumes",
    },
    "pod's securityContext": {"fsGroup", "runAsNonRoot", "runAsUser", "seccompProfile"},
    "container": {
        "args", "command", "env", "image", "imagePullPolicy", "name", "ports", "readinessProbe", "resources", "restartPolicy",
        "securityContext", "startupProbe", "terminationMessagePath", "terminationMessagePolicy", "volumeMounts",
    },
    "container's securityContext": {
        "allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem", "runAsNonRoot", "runAsUser", "seccompProfile",
    },
    "env": {"name", "value", "valueFrom"},
    "volumeMount": {"mountPath", "name", "readOnly", "subPath"},
}


class ManifestPod(Pod):
    def __init__(self, cluster, name, spec, config_maps=None, sts=None, variables=None, age=0):
        """`config_maps` are the data of each by its name; `variables` go to every container, as where AWS is; `age` is how many
        seconds ago its tokens were projected."""
        super().__init__(cluster, name, sts=sts)
        known("pod", spec)
        self.spec = spec
        self.context = spec.get("securityContext", {})
        known("pod's securityContext", self.context)
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
        """Native ones, in their order."""
        return [container["name"] for container in self.init_containers if container.get("restartPolicy") == "Always"]

    @property
    def applications(self):
        return [container["name"] for container in self.spec["containers"]]

    def __enter__(self):
        """Volumes are there before any container."""
        super().__enter__()
        for volume in self.spec.get("volumes", []):
            name = volume["name"]
            (kind,) = volume.keys() - {"name"}
            self._volumes[name] = self._volume(self.directory / "volumes" / name, kind, volume[kind])
        return self

    def start(self):
        """Init containers one after another, each after the end or the startup probe of the one before; then the others."""
        for container in self.init_containers:
            running = self.launch(container)
            if container.get("restartPolicy") != "Always":
                running.must_end_well()
            elif "startupProbe" in container:
                running.succeeds(container["startupProbe"])
        for container in self.spec["containers"]:
            self.launch(container)
        for container in self.spec["containers"]:
            if "readinessProbe" in container:
                self.started[container["name"]].succeeds(container["readinessProbe"])

    def stop(self):
        """As when the pod is deleted; the seconds that each native sidecar took."""
        grace = self.spec.get("terminationGracePeriodSeconds", 30)
        applications = [self.started[name] for name in self.applications]
        return self.terminate([a for a in applications if a.running()], [self.started[name] for name in self.sidecars], grace)

    # --- volumes

    def volume(self, name):
        """Its directory here."""
        return self._volumes[name]

    def file_of(self, container, path):
        """What a container calls by this path, here."""
        for mount in container["volumeMounts"]:
            if path.startswith(mount["mountPath"]):
                return self._volumes[mount["name"]] / mount.get("subPath", path.removeprefix(mount["mountPath"]).lstrip("/"))
        raise CheckFailed(f"{container['name']} mounts nothing at {path}")

    def _volume(self, place, kind, source):
        if kind == "emptyDir":
            size = source.get("sizeLimit", "1Mi").removesuffix("i").lower()
            return volumes.empty_dir(place, group=self.group, memory=source.get("medium") == "Memory", size=size)
        if kind == "configMap":
            return volumes.atomic(place, self._config_maps[source["name"]], source.get("defaultMode", 0o644))
        if kind == "projected":
            tokens = {entry["path"]: self._token(entry) for entry in (s["serviceAccountToken"] for s in source["sources"])}
            mode, user = self._token_mode(source.get("defaultMode", 0o644))
            return volumes.atomic(place, tokens, mode, user, self.group)
        raise CheckFailed(f"a volume of the kind {kind} is not known here")

    def _token(self, source):
        return self.sts.mint(
            audience=[source["audience"]], lifetime=source["expirationSeconds"], issued_at_offset=-self._age,
            service_account=self.spec.get("serviceAccountName", "default"), pod_name=self.name,
        )

    def _token_mode(self, mode):
        """Mode and owner by the kubelet's rules: KEP 2451, "Proposed heuristics"."""
        users = {self._user(container) for container in [*self.init_containers, *self.spec["containers"]]}
        # The one that all containers name, if they do.
        user = users.pop() if len(users) == 1 else None
        if user is not None or self.group is not None:
            mode = 0o600
        if self.group is not None:
            mode |= 0o440
        return mode, user or 0

    def _user(self, container):
        return container.get("securityContext", {}).get("runAsUser", self.context.get("runAsUser"))

    # --- containers

    def launch(self, container):
        """Starts one, and returns it."""
        known("container", container)
        ours = is_credvend(container)
        words = [*self._security(container), *self._mounts(container), *self._resources(container)]
        for name, value in self.variables(container).items():
            words += ["--env", f"{name}={value}"]
        if ours:
            words += [self._cluster.image]
            command = [*container.get("command", ["/credvend"])[1:], *container.get("args", [])]
        else:
            words += ["--volume", f"{PROGRAMS / 'application'}:/application:ro", "--rootfs", f"{self._cluster.clients}:O"]
            # A command takes the place of the image's arguments, too.
            arguments = container.get("args", [] if "command" in container else self._image_arguments(container))
            command = [*container.get("command", entrypoint(container)), *arguments]
        running = self.container(container["name"], *words, *command)
        self.started[container["name"]] = running
        if ours or "/credvend" in command[0]:
            self._vending.append(running)
        return running

    def _image_arguments(self, container):
        """The image's CMD: a server's, unless the container has to end."""
        ends = container in self.init_containers and container.get("restartPolicy") != "Always"
        return [] if ends or self.spec.get("restartPolicy", "Always") != "Always" else ["serve"]

    def _security(self, container):
        context = container.get("securityContext", {})
        known("container's securityContext", context)
        user = self._user(container)
        if user is None and not is_credvend(container):
            user = image_user(container, self._cluster.application)
        if user == 0 and context.get("runAsNonRoot", self.context.get("runAsNonRoot")):
            raise CheckFailed(f"{container['name']}: container has runAsNonRoot and image will run as root")
        words = [] if user is None else ["--user", user]
        if context.get("readOnlyRootFilesystem"):
            words += ["--read-only", "--read-only-tmpfs=false"]
        if context.get("allowPrivilegeEscalation") is False:
            words += ["--security-opt", "no-new-privileges"]
        for capability in context.get("capabilities", {}).get("drop", []):
            words += ["--cap-drop", capability.lower()]
        # podman's default profile is what runtimes have for RuntimeDefault.
        if "seccompProfile" not in {**self.context, **context}:
            words += ["--security-opt", "seccomp=unconfined"]
        if self.group is not None:
            words += ["--group-add", self.group]
        return words

    def _mounts(self, container):
        words = []
        for mount in container.get("volumeMounts", []):
            known("volumeMount", mount)
            source = self._volumes[mount["name"]] / mount.get("subPath", "")
            if not source.exists():
                source.mkdir()
            # A subPath is what it resolves to now, for good.
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
            # What the image sets. Nothing answers at the address of instance metadata here.
            found |= {
                "HOME": "/", "PYTHONPATH": "/opt/clients", "AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-1",
            }
        for entry in container.get("env", []):
            known("env", entry)
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


def known(what, fields):
    if unknown := set(fields) - KNOWN[what]:
        raise CheckFailed(f"fields of a {what} that are not known here: {', '.join(sorted(unknown))}")


def is_credvend(container):
    return container["image"].split(":")[0].endswith("/credvend")


def image_user(container, others):
    """That of the official image of the AWS CLI is root."""
    return 0 if "/aws-cli:" in container["image"] else others


def entrypoint(container):
    """That of the image."""
    return ["python3", "-B", "-m", "awscli"] if "/aws-cli:" in container["image"] else ["/application"]
