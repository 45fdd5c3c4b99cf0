"""The identities that programs/application prints."""

import re

from support.checks import CheckFailed
from support.waiting import wait_until

IDENTITY = re.compile(r"arn:aws:sts::(\d+):assumed-role/([^/\s]+)/|^no identity$", re.MULTILINE)


def identity(container):
    """Waits for the first identity that an application prints. Returns its role, or None without credentials."""
    try:
        return wait_until("the application prints its identity", 30, lambda: identities(container))[0]
    except CheckFailed as error:
        raise CheckFailed(f"{error}: {container.logs()[-800:]}") from error


def identities(container):
    """Returns the roles of all identities that an application has printed."""
    return [f"arn:aws:iam::{m[1]}:role/{m[2]}" if m[1] else None for m in IDENTITY.finditer(container.logs())]
