"""`install` copies credvend to a shared volume; then `exec` runs in an image without credvend."""

import json

from pod.pod import AWS, TOKEN_DIRECTORY
from support.roles import SESSION_A


def run(cluster, check):
    with cluster.pod("wrapper") as pod:
        # The volume is on disk: in memory, it would count against the init container's memory limit.
        shared = pod.empty_dir("shared", memory=False)
        pod.credvend("install", "/shared", name="install", token=False, mounts={"/shared": shared}).expect_success()
        check.equal("mode of the installed binary", oct((shared / "credvend").stat().st_mode & 0o777), "0o755")

        arn = json.loads(run_wrapped(pod, shared, "identity", *AWS, "sts", "get-caller-identity").expect_success())["Arn"]
        check.that("the AWS CLI under `exec` has the role", arn.startswith(SESSION_A), arn)
        names = [line.partition("=")[0] for line in run_wrapped(pod, shared, "env", "env").expect_success().splitlines()]
        check.that("the environment of the program has no role and no token file",
                   not {"AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"} & set(names), names)
        check.that("the environment of the program has the endpoint", "AWS_CONTAINER_CREDENTIALS_FULL_URI" in names, names)
        check.equal("exit code of a program that exits with 7", run_wrapped(pod, shared, "seven", "sh", "-c", "exit 7").wait(), 7)

        program = "trap 'echo stopping; exit 3' TERM; echo started; while :; do sleep 0.1; done"
        server = run_wrapped(pod, shared, "server", "sh", "-c", program)
        server.wait_for("started")
        server.signal("TERM")
        check.equal("exit code of a program that handles SIGTERM", server.wait(5), 3)
        check.that("the output of the program's signal handler is in the logs", "stopping" in server.logs())


def run_wrapped(pod, shared, name, *command):
    return pod.client(
        name, "/shared/credvend", "exec", "--", *command,
        variables={"AWS_CONTAINER_CREDENTIALS_FULL_URI": None, **pod.pod_variables(), "CREDVEND_LOG": "error"},
        mounts={"/shared:ro": shared, f"{TOKEN_DIRECTORY}:ro": pod.sts.token_volume},
    )
