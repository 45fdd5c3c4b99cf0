"""The container credentials endpoint with an authorization token, as the container provider of every SDK reads it."""

from support.clients import aws, aws_identity, boto3_app, boto3_identity
from support.credvend import Sidecar
from support.world import ROLE_A, ROLE_B, SESSION_B


def run(world, check):
    token_file = world.directory("endpoint") / "authorization"
    sts = world.sts
    options = ["--auth-token-file", token_file, "--chain-role-arn", ROLE_B]
    with Sidecar(world, *options, "--log-format", "json", **sts.pod_variables(ROLE_A)) as sidecar:
        token = token_file.read_text()
        world.secrets.add("AuthorizationToken", token)
        check.that("the authorization token has no newline", token and token == token.strip())

        endpoint = {**sidecar.client_variables(), **sts.client_variables()}
        by_file = {**endpoint, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token_file}
        identity = boto3_identity(world, **by_file)
        check.equal("boto3 takes them from the container provider", identity["Provider"], "container-role")
        check.that(f"boto3 is {SESSION_B}…", identity["Arn"].startswith(SESSION_B), identity["Arn"])
        check.equal("the AWS CLI is the same", aws_identity(world, **by_file), identity["Arn"])
        by_value = boto3_identity(world, **endpoint, AWS_CONTAINER_AUTHORIZATION_TOKEN=token)
        same = by_value["AccessKeyId"] == identity["AccessKeyId"]
        check.that("boto3 with the token as a variable has the same key", same)

        wrong = {**endpoint, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong" * 8}
        for title, variables in [("a wrong token", wrong), ("no token", endpoint)]:
            refused = boto3_app(world, "whoami", **variables)
            check.that(f"{title} is refused to boto3", refused.returncode != 0, refused.stdout)
            check.that(f"{title}: boto3 shows the status", "401" in refused.stderr, refused.stderr[-400:])
            check.that(f"{title}: boto3 shows credvend's words", "authorization token" in refused.stderr, refused.stderr[-400:])
        refused = aws(world, "sts", "get-caller-identity", **wrong)
        told = refused.returncode != 0 and "401" in refused.stderr and "authorization token" in refused.stderr
        check.that("a wrong token is refused to the AWS CLI, with the same words", told, refused.stderr[-400:])
