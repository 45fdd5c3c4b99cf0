"""credvend as a regular container, for clusters without native sidecars: it starts and stops with the application.

The application is rclone; moto is its S3.
"""

import time

from pod.pod import AWS
from support.roles import SESSION_A

# An application that calls AWS after SIGTERM.
AT_END = f"""\
trap 'sleep 1; {" ".join(AWS)} sts get-caller-identity; exit $?' TERM
echo started
while :; do sleep 0.1; done
"""


def run(cluster, check):
    with cluster.pod("classic") as pod:
        sidecar = pod.credvend("run", variables={"CREDVEND_DRAIN": "6s"})
        application = pod.client("app", "sh", "-c", AT_END)
        application.wait_for("started")

        remote = ["--s3-provider", "Other", "--s3-env-auth", "--s3-region", "us-east-1", "--s3-endpoint", cluster.moto_url]
        status, document = sidecar.credentials()
        check.equal("status of the endpoint", status, 200)
        cluster.secrets.add_credentials(document)
        pod.client("mkdir", "rclone", "mkdir", ":s3:orders", *remote).expect_success()
        rclone = pod.client("rclone", "rclone", "lsd", ":s3:", *remote, "--dump", "headers,auth")
        log = rclone.expect_success()
        check.that("rclone lists the bucket that it created", " orders" in log, log[-300:])
        check.that("rclone signs with the credentials of the endpoint", f"Credential={document['AccessKeyId']}/" in log, log[-300:])

        # Without native sidecars, the kubelet signals all containers at once.
        sent = time.time()
        sidecar.signal("TERM")
        application.signal("TERM")
        identity = application.expect_success()
        check.that("the application has credentials for a call after SIGTERM", SESSION_A in identity, identity)
        check.equal("exit code of credvend", sidecar.wait(), 0)
        took = sidecar.exit_time() - sent
        check.that(f"credvend exits after draining: {took:.2f} s", 5.9 < took < 8, f"{took:.2f} s")
