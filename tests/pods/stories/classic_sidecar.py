"""An ordinary container beside the application, for clusters without native sidecars: started and ended together.

Its application is rclone, its S3 is moto.
"""

import time

from pod.cluster import SESSION_A
from pod.pod import AWS

# What is left to be done at the end takes a call to AWS.
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
        check.equal("the endpoint answers", status, 200)
        cluster.secrets.add_credentials(document)
        pod.client("mkdir", "rclone", "mkdir", ":s3:orders", *remote).must_end_well()
        rclone = pod.client("rclone", "rclone", "lsd", ":s3:", *remote, "--dump", "headers,auth")
        log = rclone.must_end_well()
        check.that("rclone lists what it made", " orders" in log, log[-300:])
        check.that("signed with what is vended", f"Credential={document['AccessKeyId']}/" in log, log[-300:])

        # All at once, as a kubelet does without native sidecars.
        asked = time.time()
        sidecar.signal("TERM")
        application.signal("TERM")
        identity = application.must_end_well()
        check.that("after SIGTERM the application's last call has credentials", SESSION_A in identity, identity)
        check.equal("credvend ends with 0", sidecar.end(), 0)
        took = sidecar.ended_at() - asked
        check.that(f"once it has drained: {took:.2f} s", 5.9 < took < 8, f"{took:.2f} s")
