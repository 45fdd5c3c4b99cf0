"""The restricted Pod Security profile, enforced by the API server: injected pods satisfy it."""

from stage.injection import METADATA, Injection
from stage.story import wait_for_identity

RESTRICTED = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
CONTAINER = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
INDEPENDENT = True


def run(cluster, check):
    with Injection(cluster, {"pod-security.kubernetes.io/enforce": "restricted"}) as injection:
        refused = cluster.dry_run(pod({}, {}), injection.namespace)
        check.that("a pod without a security context is refused", "violates PodSecurity" in refused, refused)
        # Its own container is the only reason.
        check.that("the refusal does not name credvend", 'container "credvend"' not in refused and '"credvend"' not in refused, refused)
        cluster.kubectl("create", "--namespace", injection.namespace, "--filename", "-", document=pod(RESTRICTED, CONTAINER))
        found = wait_for_identity(cluster, "restricted", "application", injection.namespace)
        check.equal("role of the application in an injected pod", found, METADATA["annotations"]["credvend.dev/role-arn"])


def pod(security, container_security):
    container = {"name": "application", "image": "registry.example/application:1.0.0", "securityContext": container_security}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "restricted", **METADATA},
        "spec": {"securityContext": security, "containers": [container]},
    }
