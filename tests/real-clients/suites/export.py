"""`credvend export`: each format, used by a program that reads it."""

import json

from support.clients import aws_cli_arn, boto3_identity
from support.commands import stdout_of
from support.credvend import VERBOSE_LOGGING, run_credvend
from support.processes import run_program
from support.roles import ROLE_A, ROLE_B, SESSION_B

# An entry point of a container. The client has no credentials other than the exported ones.
ENTRY_POINT = """
exported=$("$1" export --format env)
unset AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE
eval "$exported"
exec "$2" sts get-caller-identity --output json
"""


def run(context, check):
    directory = context.directory("export")
    pod = {**context.sts.pod_variables(ROLE_A), "CREDVEND_CHAIN_ROLE_ARNS": ROLE_B}

    shell = ["sh", "-euc", ENTRY_POINT, "sh", context.credvend, context.aws]
    arn = json.loads(stdout_of(run_program(context, "credvend-export-in-sh", shell, context.environment(**VERBOSE_LOGGING, **pod))))["Arn"]
    check.that(f"env, evaluated by sh: the AWS CLI has a session of {SESSION_B}", arn.startswith(SESSION_B), arn)

    def written_as(output_format):
        file = directory / output_format
        stdout_of(run_credvend(context, "export", "--format", output_format, "--output", file, **pod))
        return file

    printed = json.loads(stdout_of(run_credvend(context, "export", "--format", "json", **pod)))
    written = json.loads(written_as("json").read_text())
    for title, document in [("printed", printed), ("written", written)]:
        context.secrets.add_credentials(document)
        check.equal(f"json, {title}: version of the document", document["Version"], 1)
        keys = {
            "AWS_ACCESS_KEY_ID": document["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": document["SecretAccessKey"],
            "AWS_SESSION_TOKEN": document["SessionToken"],
            **context.sts.client_variables(),
        }
        identity = boto3_identity(context, **keys)
        check.that(f"json, {title}: boto3 has a session of {SESSION_B}", identity["Arn"].startswith(SESSION_B), identity["Arn"])
        check.equal(f"json, {title}: the AWS CLI has the same session", aws_cli_arn(context, **keys), identity["Arn"])

    # The kubelet and Docker set the variables in these files in a container.
    for output_format, quote in [("dotenv", "'"), ("docker", "")]:
        lines = [line.partition("=") for line in written_as(output_format).read_text().splitlines()]
        variables = {name: value.removeprefix(quote).removesuffix(quote) for name, _, value in lines}
        identity = boto3_identity(context, **{**context.sts.client_variables(), **variables})
        check.equal(f"{output_format}: boto3 uses the environment variables", identity["Provider"], "env")
        check.that(f"{output_format}: boto3 has a session of {SESSION_B}", identity["Arn"].startswith(SESSION_B), identity["Arn"])

    by_file = {"AWS_SHARED_CREDENTIALS_FILE": written_as("credentials"), **context.sts.client_variables()}
    identity = boto3_identity(context, **by_file)
    check.equal("credentials: boto3 uses the shared credentials file", identity["Provider"], "shared-credentials-file")
    check.that(f"credentials: boto3 has a session of {SESSION_B}", identity["Arn"].startswith(SESSION_B), identity["Arn"])
    check.equal("credentials: the AWS CLI has the same session", aws_cli_arn(context, **by_file), identity["Arn"])
