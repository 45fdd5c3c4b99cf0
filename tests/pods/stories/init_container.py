"""`run --once` writes the shared credentials file, and an application under another user reads it."""

import json

from pod.cluster import SESSION_A

FILE = "/aws/credentials"
READS_FILE = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": None, "AWS_SHARED_CREDENTIALS_FILE": FILE}


def run(cluster, check):
    with cluster.pod("file") as pod:
        volume = pod.empty_dir("aws")
        once(pod, volume, "init", CREDVEND_FILE_MODE="0640").must_end_well()
        found = (volume / "credentials").stat()
        check.equal("the file is credvend's and, by setgid, the fsGroup's", (found.st_uid, found.st_gid, oct(found.st_mode)),
                    (65532, cluster.group, "0o100640"))
        note_secrets(cluster, volume / "credentials")
        check.equal("nothing but the file is left", sorted(p.name for p in volume.iterdir() if "lock" not in p.name), ["credentials"])

        application = pod.client("app", "aws", "sts", "get-caller-identity", variables=READS_FILE, mounts={"/aws:ro": volume})
        arn = json.loads(application.must_end_well())["Arn"]
        check.that("Debian's AWS CLI, under another user, has the role", arn.startswith(SESSION_A), arn)

    with cluster.pod("private") as pod:
        volume = pod.empty_dir("aws")
        once(pod, volume, "init").must_end_well()
        note_secrets(cluster, volume / "credentials")
        application = pod.client("app", "aws", "sts", "get-caller-identity", variables=READS_FILE, mounts={"/aws:ro": volume})
        check.that("without --file-mode another user has nothing", application.end() != 0, application.logs())


def once(pod, volume, name, **variables):
    return pod.credvend(
        "run", "--once", name=name, variables={"CREDVEND_CREDENTIALS_FILE": FILE, **variables}, mounts={"/aws": volume}
    )


def note_secrets(cluster, file):
    for line in file.read_text().splitlines():
        name, _, value = line.partition("=")
        if name.strip() in ("aws_secret_access_key", "aws_session_token"):
            cluster.secrets.add("SecretAccessKey" if "secret" in name else "SessionToken", value)
