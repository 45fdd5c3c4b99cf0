"""Init container with restartPolicy Always: the application starts once the startup probe has passed."""

import json

from pod.cluster import SESSION_A
from pod.pod import AWS

AUTHORIZATION = "/shared/authorization-token"


def run(cluster, check):
    with cluster.pod("native") as pod:
        shared = pod.empty_dir("shared")
        # STS is slow at first, so that the probe has something to wait for.
        pod.sts.fault("hang")
        sidecar = pod.credvend(
            "run",
            variables={"CREDVEND_AUTH_TOKEN_FILE": AUTHORIZATION, "CREDVEND_FILE_MODE": "0640"},
            mounts={"/shared": shared},
        )
        sidecar.wait_for("listening")
        check.equal("without credentials the startup probe fails", sidecar.execute("/credvend", "health"), 1)
        pod.sts.clear_faults()
        sidecar.startup_probe()
        check.that("with them it passes", True)

        token = shared / "authorization-token"
        found = token.stat()
        check.equal("the authorization token is credvend's and the fsGroup's", (found.st_uid, found.st_gid, found.st_mode & 0o777),
                    (65532, cluster.group, 0o640))
        cluster.secrets.add("authorization token", token.read_text())
        application = pod.client(
            "app", *AWS, "sts", "get-caller-identity",
            variables={"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": AUTHORIZATION},
            mounts={"/shared:ro": shared},
        )
        identity = json.loads(application.must_end_well())
        check.that("the AWS CLI, under another user, has the role by endpoint and token file",
                   identity["Arn"].startswith(SESSION_A), identity["Arn"])
        check.that("CloudTrail shows namespace and pod", "/shop-checkout-" in identity["Arn"], identity["Arn"])

        outsider = pod.client("outsider", *AWS, "sts", "get-caller-identity")
        check.that("a container without the token has nothing", outsider.end() != 0)

        application = pod.client("server", "sleep", "600", options=("--init",))
        (took,) = pod.terminate([application], [sidecar])
        check.equal("after the application, SIGTERM ends the sidecar with 0", sidecar.end(), 0)
        check.that(f"within two seconds: {took:.2f} s", took < 2, f"{took:.2f} s")
