"""The unmodified clients, each a process of its own with a clean environment."""

import json
from pathlib import Path

from support.processes import must, run

APPS = Path(__file__).resolve().parent.parent / "apps"


def boto3_app(world, app, *arguments, **variables):
    """Runs one of the small boto3 programs; may fail."""
    return run(world, f"boto3-{app}", boto3_command(world, app, *arguments), world.environment(**variables))


def boto3_command(world, app, *arguments):
    return [world.python, "-B", APPS / f"{app}.py", *arguments]


def boto3_identity(world, **variables):
    """Who boto3 is, by which provider, and with which credentials."""
    answer = json.loads(must(boto3_app(world, "whoami", **variables)))
    world.secrets.add_credentials(answer)
    return answer


def aws(world, *arguments, **variables):
    """Runs the AWS CLI; may fail."""
    env = world.environment(AWS_DEFAULT_OUTPUT="json", **variables)
    return run(world, "aws", [world.aws, *arguments], env)


def aws_identity(world, **variables):
    """The ARN that the AWS CLI has."""
    return json.loads(must(aws(world, "sts", "get-caller-identity", **variables)))["Arn"]
