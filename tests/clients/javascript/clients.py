"""Clients for JavaScript."""

from pathlib import Path

from matrix.client import Client
from matrix.install import npm

INSTALL = npm(Path(__file__).resolve().parent)

CLIENTS = [
    Client("javascript-v3", "JavaScript v3 (3.1177.0)", "javascript", INSTALL, lambda place: ["node", place / "probe.js"], core=True),
]
