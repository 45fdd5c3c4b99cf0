"""What programs/application says."""

import re

from support.checks import CheckFailed
from support.deadline import until

IDENTITY = re.compile(r"arn:aws:sts::(\d+):assumed-role/([^/\s]+)/|^nobody$", re.MULTILINE)


def identity(running):
    """The role that an application is, by its own word; None for nobody."""
    try:
        return until("it to say who it is", 30, lambda: identities(running))[0]
    except CheckFailed as error:
        raise CheckFailed(f"{error}: {running.logs()[-800:]}") from error


def identities(running):
    return [f"arn:aws:iam::{m[1]}:role/{m[2]}" if m[1] else None for m in IDENTITY.finditer(running.logs())]
