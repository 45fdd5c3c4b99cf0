"""A token that is mounted by subPath: the kubelet never renews it, so it expires one hour after the pod's start."""

from pod.manual import check_message
from pod.pod import TOKEN_DIRECTORY


def run(cluster, check):
    with cluster.pod("token-subpath") as pod:
        token = pod.directory / "token"
        token.write_text(pod.sts.mint(lifetime=3600, issued_at_offset=-7200))
        token.chmod(0o644)
        # A mount of a file, as the kubelet mounts a subPath.
        sidecar = pod.credvend("run", variables={"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"}, mounts={"/token:ro": token})
        line = sidecar.wait_for("expired at")
        for message in ("expired at", "mount the directory rather than a subPath"):
            check_message(check, line, message)
