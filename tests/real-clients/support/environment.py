"""The environment variables of this process."""

import os


def remove_aws_variables():
    """Removes the caller's AWS and credvend settings, so that no child process inherits them."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "CREDVEND_"))]:
        del os.environ[name]
