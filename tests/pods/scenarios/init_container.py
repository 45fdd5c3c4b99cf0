"""`run --once` writes the shared credentials file, and an application with another user reads it."""

import json

from support.roles import SESSION_A

FILE = "/aws/credentials"
CREDENTIALS_FILE = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": None, "AWS_SHARED_CREDENTIALS_FILE": FILE}


def run(cluster, check):
    with cluster.pod("file") as pod:
        volume = pod.empty_dir("aws")
        run_once(pod, volume, "init", CREDVEND_FILE_MODE="0640").expect_success()
        found = (volume / "credentials").stat()
        check.equal("the file belongs to credvend and, through setgid, to the fsGroup",
                    (found.st_uid, found.st_gid, oct(found.st_mode)), (65532, cluster.group, "0o100640"))
        add_secrets(cluster, volume / "credentials")
        check.equal("the volume contains only the file", sorted(p.name for p in volume.iterdir() if "lock" not in p.name), ["credentials"])

        application = pod.client("app", "aws", "sts", "get-caller-identity", variables=CREDENTIALS_FILE, mounts={"/aws:ro": volume})
        arn = json.loads(application.expect_success())["Arn"]
        check.that("the AWS CLI of Debian, with another user, has the role", arn.startswith(SESSION_A), arn)

    with cluster.pod("private") as pod:
        volume = pod.empty_dir("aws")
        run_once(pod, volume, "init").expect_success()
        add_secrets(cluster, volume / "credentials")
        application = pod.client("app", "aws", "sts", "get-caller-identity", variables=CREDENTIALS_FILE, mounts={"/aws:ro": volume})
        check.that("without --file-mode, another user cannot read the file", application.wait() != 0, application.logs())


def run_once(pod, volume, name, **variables):
    return pod.credvend(
        "run", "--once", name=name, variables={"CREDVEND_CREDENTIALS_FILE": FILE, **variables}, mounts={"/aws": volume}
    )


def add_secrets(cluster, file):
    for line in file.read_text().splitlines():
        name, _, value = line.partition("=")
        if name.strip() in ("aws_secret_access_key", "aws_session_token"):
            cluster.secrets.add("SecretAccessKey" if "secret" in name else "SessionToken", value)
