"""IMDSv2, as boto3 and the CLI ask an EC2 instance."""

from support.clients import aws_identity, boto3_identity
from support.credvend import Sidecar
from support.world import ROLE_A, SESSION_A


def run(world, check):
    sts = world.sts
    options = ["--imds-listen", "127.0.0.1:0"]
    with Sidecar(world, *options, **sts.pod_variables(ROLE_A)) as sidecar:
        line = sidecar.wait_for(r"instance metadata service url=(http://127\.0\.0\.1:\d+)")
        variables = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": line[1], "AWS_EC2_METADATA_DISABLED": "false", **sts.client_variables()}
        identity = boto3_identity(world, **variables)
        check.equal("boto3 takes them from the instance's role", identity["Provider"], "iam-role")
        check.that(f"boto3 is {SESSION_A}…", identity["Arn"].startswith(SESSION_A), identity["Arn"])
        check.equal("the AWS CLI is the same", aws_identity(world, **variables), identity["Arn"])
