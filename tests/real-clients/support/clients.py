"""The unmodified AWS clients, each in its own process with a clean environment."""

import json
from pathlib import Path

from support.commands import stdout_of
from support.processes import run_program

APPS = Path(__file__).resolve().parent.parent / "apps"


def run_boto3_app(context, app, *arguments, **variables):
    """Runs a program in `apps`."""
    command = boto3_command(context, app, *arguments)
    return run_program(context, f"boto3-{app}", command, context.environment(**variables))


def boto3_command(context, app, *arguments):
    return [context.python, "-B", APPS / f"{app}.py", *arguments]


def boto3_identity(context, **variables):
    """Returns boto3's caller identity, its credentials provider and its credentials."""
    identity = json.loads(stdout_of(run_boto3_app(context, "caller_identity", **variables)))
    context.secrets.add_credentials(identity)
    return identity


def run_aws_cli(context, *arguments, **variables):
    env = context.environment(AWS_DEFAULT_OUTPUT="json", **variables)
    return run_program(context, "aws", [context.aws, *arguments], env)


def aws_cli_arn(context, **variables):
    """Returns the ARN of the AWS CLI's caller identity."""
    return json.loads(stdout_of(run_aws_cli(context, "sts", "get-caller-identity", **variables)))["Arn"]
