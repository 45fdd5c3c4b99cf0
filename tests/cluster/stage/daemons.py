"""The daemons of the cluster: their configuration, start and end."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

from stage import keys
from stage.images import PAUSE
from stage.namespaces import CGROUP, IPV6_POD_NETWORK, ISSUER_HOST, NODE_ADDRESS, POD_NETWORK, SERVICE_NETWORK, record, recorded
from stage.waiting import wait_until
from support.checks import CheckFailed

HERE = Path(__file__).resolve().parent.parent
ISSUER = f"https://{ISSUER_HOST}"
ETCD = "http://127.0.0.1:2379"


class Daemon:
    """A program that runs until the cluster ends, also after the end of this process."""

    def __init__(self, state, name, command):
        self.name = name
        self.command = [str(word) for word in command]
        self.log = state / "logs" / f"{name}.log"
        self._pid_file = state / "logs" / f"{name}.pid"

    def start(self, environment=None):
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, **(environment or {})},
            )
        record(process.pid, self._pid_file)

    def pid(self):
        """Returns the process ID, or None if the daemon does not run."""
        return recorded(self._pid_file)

    def stop(self, seconds=30):
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            try:
                wait_until(f"{self.name} has ended", seconds, lambda: self.pid() is None)
            except CheckFailed:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                wait_until(f"{self.name} has ended", 10, lambda: self.pid() is None)

    def require_running(self):
        if self.pid() is None:
            raise CheckFailed(f"{self.name} has ended: {self.tail()}")

    def tail(self):
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""


def daemons(state, programs):
    """Returns the daemons by name, in the order of their start. `programs` is a directory with all of them."""
    key = state / "keys"
    return {daemon.name: daemon for daemon in [
        Daemon(state, "etcd", [
            programs / "etcd", "--data-dir", state / "etcd", "--listen-client-urls", ETCD, "--advertise-client-urls", ETCD,
            "--listen-peer-urls", "http://127.0.0.1:2380", "--unsafe-no-fsync", "--log-level", "warn",
        ]),
        Daemon(state, "containerd", [programs / "containerd", "--config", state / "containerd.toml"]),
        Daemon(state, "apiserver", [
            programs / "kube-apiserver", f"--etcd-servers={ETCD}", "--secure-port=443",
            # Not all addresses: the port 443 of another one is that of an STS.
            f"--bind-address={NODE_ADDRESS}", f"--advertise-address={NODE_ADDRESS}",
            f"--tls-cert-file={key / 'server.crt'}", f"--tls-private-key-file={key / 'server.key'}",
            f"--client-ca-file={key / 'ca.crt'}", f"--kubelet-certificate-authority={key / 'ca.crt'}",
            f"--kubelet-client-certificate={key / 'apiserver-kubelet-client.crt'}",
            f"--kubelet-client-key={key / 'apiserver-kubelet-client.key'}", "--kubelet-preferred-address-types=InternalIP",
            f"--service-account-issuer={ISSUER}", "--api-audiences=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={key / 'service-accounts.key'}",
            f"--service-account-key-file={key / 'service-accounts.pub'}",
            f"--service-cluster-ip-range={SERVICE_NETWORK}", "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        ]),
        Daemon(state, "controller-manager", [
            programs / "kube-controller-manager", *client_flags(key, "controller-manager"), f"--root-ca-file={key / 'ca.crt'}",
            f"--service-account-private-key-file={key / 'service-accounts.key'}", "--use-service-account-credentials",
            "--leader-elect=false", f"--cert-dir={state / 'certificates'}",
        ]),
        Daemon(state, "scheduler", [
            programs / "kube-scheduler", *client_flags(key, "scheduler"), "--leader-elect=false", f"--cert-dir={state / 'certificates'}",
        ]),
        Daemon(state, "kubelet", [
            programs / "kubelet", f"--config={state / 'kubelet.json'}", f"--kubeconfig={key / 'kubelet.kubeconfig'}",
            f"--hostname-override={keys.NODE}", f"--node-ip={NODE_ADDRESS}", f"--root-dir={state / 'kubelet'}",
            f"--cert-dir={state / 'certificates'}",
        ]),
    ]}


def client_flags(key, name):
    kubeconfig = key / f"{name}.kubeconfig"
    return [f"--{flag}={kubeconfig}" for flag in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]


def configure(state):
    """Writes the configuration of containerd, CNI and the kubelet."""
    (state / "logs").mkdir(exist_ok=True)
    (state / "containerd.toml").write_text(containerd(state))
    for name, network in networks(state).items():
        directory = state / "cni" / name
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "pods.conflist").write_text(json.dumps({"cniVersion": "1.0.0", **network}))
    (state / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    (state / "kubelet.json").write_text(json.dumps(kubelet(state)))


def networks(state):
    """Returns the network of each runtime. Pods select another runtime than runc with a RuntimeClass."""
    port_map = {"type": "portmap", "capabilities": {"portMappings": True}}
    # A proxy that a pod brings along gets the connections of its other containers.
    redirect = {
        "type": "redirect", "kubectl": str(state / "programs/kubectl"), "kubeconfig": str(state / "keys/admin.kubeconfig"),
    }
    ipv4 = bridge("cni0", POD_NETWORK, "0.0.0.0/0")
    return {
        "runc": {"name": "pods", "plugins": [ipv4, port_map]},
        # The same name: both networks share their addresses.
        "mesh": {"name": "pods", "plugins": [ipv4, port_map, redirect]},
        "ipv6": {"name": "pods-ipv6", "plugins": [bridge("cni6", IPV6_POD_NETWORK, "::/0")]},
    }


def bridge(device, subnet, destination):
    addresses = {"type": "host-local", "ranges": [[{"subnet": subnet}]], "routes": [{"dst": destination}]}
    return {"type": "bridge", "bridge": device, "isGateway": True, "ipMasq": False, "hairpinMode": True, "ipam": addresses}


def containerd(state):
    disabled = [
        "nri.v1.nri", *(f"snapshotter.v1.{name}" for name in ("btrfs", "zfs", "devmapper", "erofs", "blockfile")),
    ]
    return f"""\
version = 3
root = "{state}/containerd"
state = "/run/containerd"
disabled_plugins = {json.dumps([f"io.containerd.{name}" for name in disabled])}
[grpc]
address = "{state}/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
path = "{state}/opt"
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{PAUSE}"
[plugins."io.containerd.cri.v1.runtime"]
disable_apparmor = true
restrict_oom_score_adj = true
tolerate_missing_hugetlb_controller = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni", "{HERE / "programs/cni"}"]
conf_dir = "{state}/cni/runc"
[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"
""" + "".join(f"""\
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.{name}]
runtime_type = "io.containerd.runc.v2"
cni_conf_dir = "{state}/cni/{name}"
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.{name}.options]
BinaryName = "{shutil.which("runc")}"
SystemdCgroup = false
""" for name in networks(state))


def kubelet(state):
    key = state / "keys"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{state}/containerd.sock",
        "authentication": {
            "anonymous": {"enabled": False}, "webhook": {"enabled": True}, "x509": {"clientCAFile": str(key / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(key / "kubelet-server.crt"), "tlsPrivateKeyFile": str(key / "kubelet-server.key"),
        "resolvConf": str(state / "resolv.conf"), "volumePluginDir": str(state / "plugins"),
        # What a machine in a virtual machine or a container may lack.
        "failCgroupV1": False, "failSwapOn": False, "cgroupDriver": "cgroupfs", "cgroupRoot": f"/{CGROUP}",
        "featureGates": {"KubeletInUserNamespace": True}, "oomScoreAdj": 0, "maxOpenFiles": 20000, "protectKernelDefaults": False,
        # A disk that is nearly full must not evict the pods of a test.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100, "imageGCLowThresholdPercent": 99,
    }


def link_programs(directory, places):
    """Creates a directory with links to all programs."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    for place in places:
        for program in Path(place).iterdir():
            if program.name != "recipe":
                (directory / program.name).symlink_to(program)
