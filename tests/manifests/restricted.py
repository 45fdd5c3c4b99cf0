"""Checks the Pod Security Standard *restricted* as the API server enforces it (kubernetes/pod-security-admission,
policy/check_*.go), and the additional rules for the containers of credvend."""

import yaml

import readme
from rendered import ROOT, containers_of, is_credvend, workloads

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}
SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
}
# The cluster assigns the users and groups of these stories, and refuses others.
ASSIGNED = {"openshift"}
ASSIGNED_FIELDS = {"runAsUser", "runAsGroup", "fsGroup", "supplementalGroups", "seLinuxOptions"}


def check(checks, stories):
    # The first manifest of README.md is for the namespace of k8s/namespace too.
    example = yaml.safe_load(readme.code_blocks((ROOT / "README.md").read_text(), "yaml")[0])["spec"]
    wrong = [*pod_faults(example)]
    for container in containers_of(example):
        wrong += [f"{container['name']}: {fault}" for fault in container_faults(container, example.get("securityContext", {}))]
    checks.that(not wrong, "the first manifest of README.md satisfies restricted", "; ".join(wrong))
    for name, document, pod in workloads(stories):
        label = f"{name}: {document['kind']} {document['metadata']['name']}"
        wrong = list(pod_faults(pod))
        for container in containers_of(pod):
            wrong += [f"{container['name']}: {fault}" for fault in container_faults(container, pod.get("securityContext", {}))]
        checks.that(not wrong, f"{label} satisfies restricted", "; ".join(wrong))
        ours = [container for container in containers_of(pod) if is_credvend(container)]
        wrong = [f"{container['name']}: {fault}" for container in ours for fault in our_faults(container)]
        wrong += assigned_faults(pod) if name in ASSIGNED else group_faults(ours)
        # The component does not set fsGroup: its pods share no files, and the token is readable without it.
        wrong += our_pod_faults(pod, grouped=name not in ASSIGNED and not name.startswith("component-examples-"))
        checks.that(ours and not wrong, f"{label}: its credvend containers follow our rules", "; ".join(wrong) or "no container of credvend")


def pod_faults(pod):
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(field):
            yield field
    for volume in pod.get("volumes", []):
        kinds = volume.keys() - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']}: {kinds}"
    context = pod.get("securityContext", {})
    if context.get("runAsUser") == 0:
        yield "runAsUser 0"
    for sysctl in context.get("sysctls", []):
        if sysctl["name"] not in SYSCTLS:
            yield f"sysctl {sysctl['name']}"


def container_faults(container, pod_context):
    context = container.get("securityContext", {})
    capabilities = context.get("capabilities", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if "ALL" not in capabilities.get("drop", []):
        yield "capabilities.drop does not contain ALL"
    if set(capabilities.get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "capabilities.add"
    if context.get("runAsNonRoot", pod_context.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if context.get("runAsUser", pod_context.get("runAsUser")) == 0:
        yield "runAsUser is 0"
    seccomp = context.get("seccompProfile", pod_context.get("seccompProfile", {})).get("type")
    if seccomp not in ("RuntimeDefault", "Localhost"):
        yield f"seccompProfile {seccomp}"
    if context.get("privileged"):
        yield "privileged"
    if any(port.get("hostPort") for port in container.get("ports", [])):
        yield "hostPort"
    hooks = [container.get(probe, {}) for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    hooks += container.get("lifecycle", {}).values()
    for hook in hooks:
        if any(hook.get(way, {}).get("host") for way in ("httpGet", "tcpSocket")):
            yield "a probe or hook sets host"


def our_faults(container):
    if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
        yield "the root file system is writable"
    if container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
        yield "terminationMessagePolicy is not FallbackToLogsOnError"
    expected = {"requests": {"cpu": "5m", "memory": "8Mi"}, "limits": {"memory": "16Mi"}}
    if container.get("resources") != expected:
        yield f"resources {container.get('resources')}"
    if container.get("restartPolicy") == "Always":
        probe = container.get("startupProbe", {})
        if probe.get("exec", {}).get("command") != ["/credvend", "health"] or probe.get("failureThreshold") != 300:
            yield f"startupProbe {probe}"
        if probe.get("timeoutSeconds", 1) < 2:
            yield "timeoutSeconds of the startup probe is below 2"


def group_faults(ours):
    """Without runAsGroup, the group is 0: the kubelet passes only the user of the image."""
    return [f"{container['name']}: no runAsGroup" for container in ours if not container["securityContext"].get("runAsGroup")]


def assigned_faults(pod):
    """Yields the users and groups that a pod sets itself."""
    contexts = [("the pod", pod.get("securityContext", {}))]
    contexts += [(container["name"], container.get("securityContext", {})) for container in containers_of(pod)]
    for name, context in contexts:
        for field in sorted(ASSIGNED_FIELDS & context.keys()):
            yield f"{name} sets {field}"


def our_pod_faults(pod, grouped):
    """Yields violations of the rules for volumes; `grouped` if the containers share files."""
    tokens = [
        (volume, source["serviceAccountToken"])
        for volume in pod.get("volumes", [])
        for source in volume.get("projected", {}).get("sources", [])
        if "serviceAccountToken" in source
    ]
    faults = []
    if len(tokens) != 1:
        faults.append(f"{len(tokens)} token volumes")
    for volume, token in tokens:
        if not token.get("audience") or token.get("expirationSeconds", 0) < 600:
            faults.append("the token volume lacks an audience or an expiration")
        if "defaultMode" in volume["projected"]:
            faults.append("the token volume sets defaultMode")
    if grouped and not pod.get("securityContext", {}).get("fsGroup"):
        faults.append("no fsGroup")
    for container in containers_of(pod):
        names = {variable["name"] for variable in container.get("env", [])}
        if "AWS_CONTAINER_CREDENTIALS_FULL_URI" in names and not {"AWS_REGION", "AWS_DEFAULT_REGION"} <= names:
            faults.append(f"{container['name']} has no region")
        for mount in container.get("volumeMounts", []):
            if "subPath" in mount and mount["name"] != "credvend-tokens":
                faults.append(f"{container['name']} mounts {mount['name']} by subPath")
    return faults
