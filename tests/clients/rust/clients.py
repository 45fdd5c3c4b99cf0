"""Clients for Rust."""

from pathlib import Path

from matrix.client import Client
from matrix.install import cargo

HERE = Path(__file__).resolve().parent

CLIENTS = [
    Client(
        "rust", "Rust aws-config 1.13.0", "rust", cargo(HERE / "aws-config"),
        lambda place: [place / "release/aws-config-probe"], core=True,
    ),
]
