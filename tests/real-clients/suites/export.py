"""`credvend export`: each format given to what reads it."""

import json

from support.clients import aws_identity, boto3_identity
from support.credvend import LOUD, once
from support.processes import must, run as run_program
from support.world import ROLE_A, ROLE_B, SESSION_B

# What a container's entry point would be; the client then finds nothing but what was exported.
ENTRY_POINT = """
exported=$("$1" export --format env)
unset AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE
eval "$exported"
exec "$2" sts get-caller-identity --output json
"""


def run(world, check):
    directory = world.directory("export")
    pod = {**world.sts.pod_variables(ROLE_A), "CREDVEND_CHAIN_ROLE_ARNS": ROLE_B}

    shell = ["sh", "-euc", ENTRY_POINT, "sh", world.credvend, world.aws]
    arn = json.loads(must(run_program(world, "credvend-export-in-sh", shell, world.environment(**LOUD, **pod))))["Arn"]
    check.that(f"env: evaluated by sh, the AWS CLI is {SESSION_B}…", arn.startswith(SESSION_B), arn)

    def written_as(output_format):
        file = directory / output_format
        must(once(world, "export", "--format", output_format, "--output", file, **pod))
        return file

    printed = json.loads(must(once(world, "export", "--format", "json", **pod)))
    written = json.loads(written_as("json").read_text())
    for title, document in [("printed", printed), ("written", written)]:
        world.secrets.add_credentials(document)
        check.equal(f"json, {title}: its version", document["Version"], 1)
        keys = {
            "AWS_ACCESS_KEY_ID": document["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": document["SecretAccessKey"],
            "AWS_SESSION_TOKEN": document["SessionToken"],
            **world.sts.client_variables(),
        }
        identity = boto3_identity(world, **keys)
        check.that(f"json, {title}: boto3 is {SESSION_B}…", identity["Arn"].startswith(SESSION_B), identity["Arn"])
        check.equal(f"json, {title}: the AWS CLI is the same", aws_identity(world, **keys), identity["Arn"])

    # A kubelet and docker hand a container the variables of such files.
    for output_format, quote in [("dotenv", "'"), ("docker", "")]:
        lines = [line.partition("=") for line in written_as(output_format).read_text().splitlines()]
        variables = {name: value.removeprefix(quote).removesuffix(quote) for name, _, value in lines}
        identity = boto3_identity(world, **{**world.sts.client_variables(), **variables})
        check.equal(f"{output_format}: boto3 takes them from its variables", identity["Provider"], "env")
        check.that(f"{output_format}: boto3 is {SESSION_B}…", identity["Arn"].startswith(SESSION_B), identity["Arn"])

    by_file = {"AWS_SHARED_CREDENTIALS_FILE": written_as("credentials"), **world.sts.client_variables()}
    identity = boto3_identity(world, **by_file)
    check.equal("credentials: boto3 takes them from the file", identity["Provider"], "shared-credentials-file")
    check.that(f"credentials: boto3 is {SESSION_B}…", identity["Arn"].startswith(SESSION_B), identity["Arn"])
    check.equal("credentials: the AWS CLI is the same", aws_identity(world, **by_file), identity["Arn"])
