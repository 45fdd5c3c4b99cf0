"""The credentials file of `run --once`, as in an init container, read by clients without other settings."""

from support.clients import aws_cli_arn, boto3_identity
from support.commands import stdout_of
from support.credvend import run_credvend
from support.roles import ROLE_A, ROLE_B, SESSION_A, SESSION_B


def run(context, check):
    directory = context.directory("credentials-file")
    for title, chain, session in [
        ("one role", {}, SESSION_A),
        ("chained", {"CREDVEND_CHAIN_ROLE_ARNS": ROLE_B}, SESSION_B),
    ]:
        file = directory / title.replace(" ", "-")
        stdout_of(run_credvend(context, "run", "--once", "--credentials-file", file, **chain, **context.sts.pod_variables(ROLE_A)))
        variables = {"AWS_SHARED_CREDENTIALS_FILE": file, **context.sts.client_variables()}
        identity = boto3_identity(context, **variables)
        check.equal(f"{title}: boto3 uses the shared credentials file", identity["Provider"], "shared-credentials-file")
        check.that(f"{title}: boto3 has a session of {session}", identity["Arn"].startswith(session), identity["Arn"])
        arn = aws_cli_arn(context, **variables)
        check.equal(f"{title}: the AWS CLI has the same session", arn, identity["Arn"])
        mode = oct(file.stat().st_mode & 0o777)
        check.equal(f"{title}: mode of the file", mode, "0o600")
        check.that(f"{title}: the file contains the secret access key", identity["SecretAccessKey"] in file.read_text())
