"""The AWS SDK for Ruby, in the version of the distribution; no registry of gems is needed."""

from pathlib import Path

from matrix.client import Client
from matrix.install import debian

PROBE = Path(__file__).resolve().parent / "probe.rb"
INSTALL = debian("ruby", "ruby-aws-sdk-core", program="/usr/bin/ruby")
FULL_URI = "does not know `AWS_CONTAINER_CREDENTIALS_FULL_URI`"

CLIENTS = [
    Client("ruby", "Ruby core 3.168.1 (2022)", "ruby", INSTALL, lambda place: [place, PROBE], core=True, fails={
        "EF": FULL_URI, "EV": FULL_URI, "E0": FULL_URI, "EX": FULL_URI, "PI": FULL_URI, "RT": "sends no token",
        "IM": "asks no other address than that of the metadata service",
    }),
]
