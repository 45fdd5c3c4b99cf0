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
    file = world.directory("export") / "document.json"
    pod = {**world.sts.pod_variables(ROLE_A), "CREDVEND_CHAIN_ROLE_ARNS": ROLE_B}

    shell = ["sh", "-euc", ENTRY_POINT, "sh", world.credvend, world.aws]
    arn = json.loads(must(run_program(world, "credvend-export-in-sh", shell, world.environment(**LOUD, **pod))))["Arn"]
    check.that(f"env: evaluated by sh, the AWS CLI is {SESSION_B}…", arn.startswith(SESSION_B), arn)

    printed = json.loads(must(once(world, "export", "--format", "json", **pod)))
    must(once(world, "export", "--format", "json", "--output", file, **pod))
    written = json.loads(file.read_text())
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
