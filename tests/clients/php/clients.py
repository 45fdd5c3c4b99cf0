"""AsyncAws for PHP, in the version of the distribution."""

from pathlib import Path

from matrix.client import Client
from matrix.install import debian

PROBE = Path(__file__).resolve().parent / "probe.php"
INSTALL = debian("php-cli", "php-async-aws-core", program="/usr/bin/php")
FULL_URI = "does not know `AWS_CONTAINER_CREDENTIALS_FULL_URI`"

CLIENTS = [
    Client("async-aws", "AsyncAws (PHP) 1.18.1", "async-aws", INSTALL, lambda place: [place, PROBE], core=True, fails={
        "EF": FULL_URI, "EV": FULL_URI, "E0": FULL_URI, "EX": FULL_URI, "PI": FULL_URI, "RT": "sends no token", "CP": "does not know `credential_process`",
        "IM": "asks no other address than that of the metadata service", "I254": "speaks IMDSv1 only",
    }),
]
