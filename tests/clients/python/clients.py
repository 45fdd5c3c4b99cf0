"""Clients for Python. boto3 and the AWS CLI are in the environment of the scenarios with real clients."""

from pathlib import Path

from matrix.client import Client, Need
from matrix.install import venv

HERE = Path(__file__).resolve().parent
BOTO3 = venv(HERE.parent.parent / "real-clients/requirements.txt", "python-boto3")
OTHERS = venv(HERE / "requirements.txt", "python")

TOKEN_FILE = "uses the full URI only together with a token file"
NO_SHARED_FILES = "does not read shared files"
STAYS_WITHOUT = {("IM", "unavailable"): "a client that was created without credentials stays without"}
NO_TOKEN = "sends no token with the relative URI"


def python_client(name, title, family, install=OTHERS, **more):
    probe = HERE / f"{name.replace('-', '_')}_probe.py"
    return Client(name, title, family, install, lambda place: [place / "bin/python", "-B", probe], **more)


def object_store(name, title, **more):
    return python_client(name, title, "object_store", service="s3", fails={
        "EV": TOKEN_FILE, "E0": TOKEN_FILE, "CF": NO_SHARED_FILES, "CP": NO_SHARED_FILES, "RT": NO_TOKEN,
    }, needs={"IM": Need("with `AWS_METADATA_ENDPOINT`", {"AWS_METADATA_ENDPOINT": "{AWS_EC2_METADATA_SERVICE_ENDPOINT}"})}, **more)


CLIENTS = [
    python_client("boto3", "boto3 1.44.5", "botocore", BOTO3, core=True, exceptions=STAYS_WITHOUT),
    Client(
        "aws-cli", "AWS CLI 1.46.3", "botocore", BOTO3,
        lambda place: [place / "bin/aws", "--endpoint-url", "{ENDPOINT}", "sts", "get-caller-identity"],
        repeats=False,
    ),
    python_client("s3fs", "s3fs (Python) 2026.9.0", "botocore", service="s3", exceptions=STAYS_WITHOUT),
    python_client("awscrt", "AWS Common Runtime (awscrt 0.38.1)", "crt", core=True),
    python_client("mountpoint", "mountpoint-s3 (s3torchconnectorclient 1.5.0)", "crt", service="s3", fails={
        "IM": "does not know `AWS_EC2_METADATA_SERVICE_ENDPOINT`",
    }),
    python_client("pyarrow", "C++ (pyarrow 26.0.1)", "cpp", service="s3", core=True),
    python_client("pyiceberg", "pyiceberg 0.12.0", "cpp", service="s3"),
    object_store("obstore", "object_store (obstore 0.12.1)", core=True),
    object_store("polars", "polars 2.1.0"),
    object_store("deltalake", "deltalake 1.6.6"),
    python_client("minio", "minio-py 7.2.20", "minio-py", service="s3", core=True, fails={
        "CP": "does not know `credential_process`", "IM": "asks no other address than that of the metadata service", "RT": NO_TOKEN,
    }),
]
