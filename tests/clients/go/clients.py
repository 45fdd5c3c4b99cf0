"""Clients for Go, one module with a program for each."""

from pathlib import Path

from matrix.client import Client, Need
from matrix.install import go

INSTALL = go(Path(__file__).resolve().parent)
LOAD_CONFIG = Need("with `AWS_SDK_LOAD_CONFIG=1`", {"AWS_SDK_LOAD_CONFIG": "1"})


def go_client(name, title, **more):
    return Client(name, title, name, INSTALL, lambda place: [place / name], **more)


CLIENTS = [
    go_client("go-v2", "Go v2 (config 1.33.18)", core=True),
    go_client("go-v1", "Go v1 1.55.8", core=True, needs={"CP": LOAD_CONFIG}),
    go_client("minio-go", "minio-go 7.4.1", service="s3", core=True, fails={
        "IM": "asks no other address than that of the metadata service", "RT": "sends no token with the relative URI",
    }),
]
