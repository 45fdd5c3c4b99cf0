"""The container credentials endpoint with an authorization token, used by the container providers of the SDKs."""

from support.clients import aws_cli_arn, boto3_identity, run_aws_cli, run_boto3_app
from support.credvend import Sidecar
from support.roles import ROLE_A, ROLE_B, SESSION_B


def run(context, check):
    token_file = context.directory("endpoint") / "authorization"
    sts = context.sts
    options = ["--auth-token-file", token_file, "--chain-role-arn", ROLE_B]
    with Sidecar(context, *options, "--log-format", "json", **sts.pod_variables(ROLE_A)) as sidecar:
        token = token_file.read_text()
        context.secrets.add("AuthorizationToken", token)
        check.that("the authorization token has no newline", token and token == token.strip())

        endpoint = {**sidecar.client_variables(), **sts.client_variables()}
        by_file = {**endpoint, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token_file}
        identity = boto3_identity(context, **by_file)
        check.equal("boto3 uses the container provider", identity["Provider"], "container-role")
        check.that(f"boto3 has a session of {SESSION_B}", identity["Arn"].startswith(SESSION_B), identity["Arn"])
        check.equal("the AWS CLI has the same session", aws_cli_arn(context, **by_file), identity["Arn"])
        by_value = boto3_identity(context, **endpoint, AWS_CONTAINER_AUTHORIZATION_TOKEN=token)
        same = by_value["AccessKeyId"] == identity["AccessKeyId"]
        check.that("boto3 with the token in a variable has the same access key", same)

        wrong = {**endpoint, "AWS_CONTAINER_AUTHORIZATION_TOKEN": "wrong" * 8}
        for title, variables in [("a wrong token", wrong), ("no token", endpoint)]:
            refused = run_boto3_app(context, "caller_identity", **variables)
            check.that(f"{title}: boto3 fails", refused.returncode != 0, refused.stdout)
            check.that(f"{title}: boto3 shows the status", "401" in refused.stderr, refused.stderr[-400:])
            check.that(
                f"{title}: boto3 shows credvend's message", "authorization token" in refused.stderr, refused.stderr[-400:]
            )
        refused = run_aws_cli(context, "sts", "get-caller-identity", **wrong)
        shown = refused.returncode != 0 and "401" in refused.stderr and "authorization token" in refused.stderr
        check.that("a wrong token: the AWS CLI fails and shows the same message", shown, refused.stderr[-400:])
