"""Programs with an AWS client inside. Those of the distribution are from 2021 to 2023, as in many images."""

from pathlib import Path

from matrix.client import Client, Need
from matrix.install import debian, go, venv

HERE = Path(__file__).resolve().parent
PYTHON = venv(HERE / "requirements.txt", "python-programs")
RCLONE = ["--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", "{ENDPOINT}", "--s3-region", "us-east-1"]

TOKEN_FILE = "does not know the variable of the token file (2024)"
POD_IDENTITY = "does not accept the address of EKS Pod Identity (2023)"
FULL_URI = "does not know `AWS_CONTAINER_CREDENTIALS_FULL_URI`"
RELATIVE_URI = "does not know `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`"
FIXED = "asks no other address than that of the metadata service"
NO_TOKEN = "sends no token"
NO_PROCESS = "does not know `credential_process`"
CONTAINER_ENDPOINT = {"EF": FULL_URI, "EV": FULL_URI, "E0": FULL_URI, "EX": FULL_URI, "PI": FULL_URI}


def program(name, title, family, install, command, **more):
    return Client(name, title, family, install, command, **{"service": "s3", "repeats": False, **more})


def rclone(place):
    return [place, "--config", "", "--low-level-retries", "1", "--retries", "1", *RCLONE, "lsf", ":s3:data"]


CLIENTS = [
    program(
        "aws-cli-v2", "AWS CLI v2 2.9.19 (2022)", "botocore-v2", debian("awscli", program="/usr/bin/aws"),
        lambda place: [place, "--endpoint-url", "{ENDPOINT}", "sts", "get-caller-identity"], service="sts",
        fails={"EF": TOKEN_FILE, "RT": TOKEN_FILE, "PI": POD_IDENTITY},
        needs={"IM": Need("with a `/` at the end of the address", {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "{AWS_EC2_METADATA_SERVICE_ENDPOINT}/"})},
    ),
    program(
        "s4cmd", "s4cmd 2.1.0 (boto3 of 2022)", "botocore-2022", debian("s4cmd", program="/usr/bin/s4cmd"),
        lambda place: [place, "--retry", "1", "--endpoint-url", "{ENDPOINT}", "ls", "s3://data"], fails={"EF": TOKEN_FILE, "RT": TOKEN_FILE, "PI": POD_IDENTITY},
    ),
    program("rclone", "rclone 1.76.0", "go-v2", go(HERE / "rclone", "rclone"), lambda place: rclone(place / "rclone")),
    program("rclone-2022", "rclone 1.60.1 (2022)", "go-v1", debian("rclone", program="/usr/bin/rclone"), rclone, fails={
        "EF": TOKEN_FILE, "RT": TOKEN_FILE, "PI": POD_IDENTITY,
    }),
    program(
        "restic", "restic 0.14.0 (2022)", "minio-go-2022", debian("restic", program="/usr/bin/restic"),
        # A second repository at the same place is an error.
        lambda place: ["sh", "-c", 'exec "$0" --no-cache -r "s3:$PROBE_ENDPOINT/data/$$" init', place], variables={"RESTIC_PASSWORD": "restic"},
        fails={"EF": TOKEN_FILE, "RT": TOKEN_FILE, "PI": POD_IDENTITY, "CP": NO_PROCESS, "IM": FIXED},
    ),
    program(
        "s5cmd", "s5cmd 2.3.0", "go-v1", PYTHON,
        lambda place: [place / "bin/s5cmd", "--retry-count", "1", "--endpoint-url", "{ENDPOINT}", "ls", "s3://data"],
        fails={"EF": TOKEN_FILE, "RT": TOKEN_FILE, "PI": POD_IDENTITY},
    ),
    program(
        "s3cmd", "s3cmd 2.4.0", "s3cmd", PYTHON,
        lambda place: [
            place / "bin/s3cmd", "--no-ssl", "--host", "{ADDRESS}", "--host-bucket", "{ADDRESS}", "--region", "us-east-1", "ls", "s3://data",
        ],
        fails={**CONTAINER_ENDPOINT, "CP": NO_PROCESS, "IM": FIXED, "R": RELATIVE_URI, "RT": RELATIVE_URI},
        needs={"CF": Need("with `AWS_CREDENTIAL_FILE`", {"AWS_CREDENTIAL_FILE": "{AWS_SHARED_CREDENTIALS_FILE}"})},
    ),
    program(
        "gdal", "GDAL 3.12.4 (pyogrio 0.13.0)", "gdal", PYTHON, lambda place: [place / "bin/python", "-B", HERE / "gdal_probe.py"], repeats=True,
        variables={
            "AWS_S3_ENDPOINT": "{ADDRESS}", "AWS_HTTPS": "NO", "AWS_VIRTUAL_HOSTING": "FALSE",
            "CPL_VSIL_CURL_NON_CACHED": "/vsis3/data", "VSI_CACHE": "FALSE", "GDAL_HTTP_MAX_RETRY": "0",
        },
        needs={
            "CF": Need("with `CPL_AWS_CREDENTIALS_FILE`", {"CPL_AWS_CREDENTIALS_FILE": "{AWS_SHARED_CREDENTIALS_FILE}"}),
            "IM": Need("with `CPL_AWS_EC2_API_ROOT_URL`", {"CPL_AWS_EC2_API_ROOT_URL": "{AWS_EC2_METADATA_SERVICE_ENDPOINT}"}),
        },
    ),
    program(
        "s3fs-fuse", "s3fs-fuse 1.90 (2021)", "s3fs-fuse", debian("s3fs", program="/usr/bin/s3fs"),
        lambda place: ["python3", "-B", HERE / "s3fs_probe.py"], repeats=True,
        fails={**CONTAINER_ENDPOINT, "CF": "does not read shared files", "CP": NO_PROCESS, "IM": FIXED, "RT": NO_TOKEN},
        needs={
            "I254": Need("with `-o iam_role=NAME`", arguments=("-o", "iam_role=account-b-role")),
            "R": Need("with `-o ecs`", arguments=("-o", "ecs")),
        },
    ),
]
