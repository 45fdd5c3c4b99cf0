"""`credvend export`: each format given to what reads it."""

import json

from support.clients import aws_identity, boto3_identity
from support.credvend import LOUD, once
from support.processes import must, run as run_program
from support.world import ROLE_A, ROLE_B, SESSION_B


def run(world, check):
    directory = world.directory("export")
    pod = {**world.sts.pod_variables(ROLE_A), "CREDVEND_CHAIN_ROLE_ARNS": ROLE_B}

    def export(output_format, *options):
        return must(once(world, "export", "--format", output_format, *options, **pod))

    # A shell whose own variables are all that the client sees besides the way to STS.
    script = 'exported=$("$1" export --format env) && eval "$exported" && unset AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE && exec "$2" "$3"'
    whoami = [world.python, world.python.parent / "aws"]
    for title, arguments in [("env", [world.credvend, *whoami])]:
        shell = run_program(
            world, "sh", ["sh", "-euc", script + ' "$4" "$5" --output json', "sh", *arguments, "sts", "get-caller-identity"],
            world.environment(**LOUD, **pod),
        )
        arn = json.loads(must(shell))["Arn"]
        check.that(f"{title}: evaluated by sh, the AWS CLI is {SESSION_B}…", arn.startswith(SESSION_B), arn)

    document = json.loads(export("json"))
    world.secrets.add_credentials(document)
    check.equal("json: the document's version", document["Version"], 1)
    identity = boto3_identity(
        world, **world.sts.client_variables(),
        AWS_ACCESS_KEY_ID=document["AccessKeyId"],
        AWS_SECRET_ACCESS_KEY=document["SecretAccessKey"],
        AWS_SESSION_TOKEN=document["SessionToken"],
    )
    check.that("json: boto3 can use what it holds", identity["Arn"].startswith(SESSION_B), identity["Arn"])

    for output_format in ("dotenv", "docker"):
        lines = [line.partition("=") for line in export(output_format).splitlines() if line and not line.startswith("#")]
        unquoted = {name: value[1:-1] if output_format == "dotenv" else value for name, _, value in lines}
        identity = boto3_identity(world, **{**world.sts.client_variables(), **unquoted})
        check.equal(f"{output_format}: boto3 takes them from its variables", identity["Provider"], "env")
        check.that(f"{output_format}: boto3 is {SESSION_B}…", identity["Arn"].startswith(SESSION_B), identity["Arn"])

    file = directory / "credentials"
    export("credentials", "--output", file)
    arn = aws_identity(world, AWS_SHARED_CREDENTIALS_FILE=file, **world.sts.client_variables())
    check.that("credentials: the AWS CLI reads the written file", arn.startswith(SESSION_B), arn)
