"""`install` into a shared volume, then `exec` in an image that knows nothing of credvend."""

import json

from pod.cluster import SESSION_A
from pod.pod import AWS, TOKEN_DIRECTORY


def run(cluster, check):
    with cluster.pod("wrapper") as pod:
        # On disk: in memory it would count against the init container's limit.
        shared = pod.empty_dir("shared", memory=False)
        pod.credvend("install", "/shared", name="install", token=False, mounts={"/shared": shared}).must_end_well()
        check.equal("the binary is there, executable by all", oct((shared / "credvend").stat().st_mode & 0o777), "0o755")

        arn = json.loads(wrapped(pod, shared, "whoami", *AWS, "sts", "get-caller-identity").must_end_well())["Arn"]
        check.that("the AWS CLI under exec has the role", arn.startswith(SESSION_A), arn)
        names = [line.partition("=")[0] for line in wrapped(pod, shared, "env", "env").must_end_well().splitlines()]
        check.that("the program sees no role and no token file to exchange by itself",
                   not {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} & set(names), names)
        check.that("but the endpoint", "AWS_CONTAINER_CREDENTIALS_FULL_URI" in names, names)
        check.equal("its exit code is the container's", wrapped(pod, shared, "seven", "sh", "-c", "exit 7").end(), 7)

        program = "trap 'echo ending; exit 3' TERM; echo started; while :; do sleep 0.1; done"
        server = wrapped(pod, shared, "server", "sh", "-c", program)
        server.wait_for("started")
        server.signal("TERM")
        check.equal("SIGTERM reaches it", server.end(5), 3)
        check.that("and it has its say", "ending" in server.logs())


def wrapped(pod, shared, name, *command):
    return pod.client(
        name, "/shared/credvend", "exec", "--", *command,
        variables={"AWS_CONTAINER_CREDENTIALS_FULL_URI": None, **pod.pod_variables(), "CREDVEND_LOG": "error"},
        mounts={"/shared:ro": shared, f"{TOKEN_DIRECTORY}:ro": pod.sts.token_volume},
    )
