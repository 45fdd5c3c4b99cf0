"""credvend as an init container with restartPolicy Always: the application starts after the startup probe succeeds."""

import json

from pod.pod import AWS
from support.roles import SESSION_A

AUTHORIZATION = "/shared/authorization-token"


def run(cluster, check):
    with cluster.pod("native") as pod:
        shared = pod.empty_dir("shared")
        # STS hangs at first, so that the probe fails.
        pod.sts.inject_fault("hang")
        sidecar = pod.credvend(
            "run",
            variables={"CREDVEND_AUTH_TOKEN_FILE": AUTHORIZATION, "CREDVEND_FILE_MODE": "0640"},
            mounts={"/shared": shared},
        )
        sidecar.wait_for("listening")
        check.equal("exit code of the startup probe without credentials", sidecar.exec_status("/credvend", "health"), 1)
        pod.sts.clear_faults()
        sidecar.startup_probe()
        check.that("the startup probe succeeds with credentials", True)

        token = shared / "authorization-token"
        found = token.stat()
        check.equal("the authorization token belongs to credvend and the fsGroup",
                    (found.st_uid, found.st_gid, found.st_mode & 0o777), (65532, cluster.group, 0o640))
        cluster.secrets.add("authorization token", token.read_text())
        application = pod.client(
            "app", *AWS, "sts", "get-caller-identity",
            variables={"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": AUTHORIZATION},
            mounts={"/shared:ro": shared},
        )
        identity = json.loads(application.expect_success())
        check.that("the AWS CLI, with another user, has the role from the endpoint with the token file",
                   identity["Arn"].startswith(SESSION_A), identity["Arn"])
        check.that("the role session name contains namespace and pod", "/shop-checkout-" in identity["Arn"], identity["Arn"])

        unauthorized = pod.client("unauthorized", *AWS, "sts", "get-caller-identity")
        check.that("a container without the token has no credentials", unauthorized.wait() != 0)

        application = pod.client("server", "sleep", "600", options=("--init",))
        (took,) = pod.terminate([application], [sidecar])
        check.equal("exit code of the sidecar on SIGTERM after the application", sidecar.wait(), 0)
        check.that(f"the sidecar exits within 2 s: {took:.2f} s", took < 2, f"{took:.2f} s")
