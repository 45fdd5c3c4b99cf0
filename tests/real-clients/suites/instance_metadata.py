"""IMDSv2, used by boto3 and the AWS CLI as on an EC2 instance."""

from support.clients import aws_cli_arn, boto3_identity
from support.credvend import Sidecar
from support.roles import ROLE_A, SESSION_A


def run(context, check):
    sts = context.sts
    options = ["--imds-listen", "127.0.0.1:0"]
    with Sidecar(context, *options, **sts.pod_variables(ROLE_A)) as sidecar:
        line = sidecar.wait_for(r"instance metadata.* url=(http://127\.0\.0\.1:\d+)")
        variables = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": line[1], "AWS_EC2_METADATA_DISABLED": "false", **sts.client_variables()}
        identity = boto3_identity(context, **variables)
        check.equal("boto3 uses the instance metadata provider", identity["Provider"], "iam-role")
        check.that(f"boto3 has a session of {SESSION_A}", identity["Arn"].startswith(SESSION_A), identity["Arn"])
        check.equal("the AWS CLI has the same session", aws_cli_arn(context, **variables), identity["Arn"])
