"""The generated AWS config file: boto3 and the AWS CLI run its credential_process, which queries the endpoint."""

from support.clients import aws_cli_arn, boto3_identity
from support.credvend import Sidecar, run_credvend
from support.roles import ROLE_A, ROLE_B, SESSION_B


def run(context, check):
    directory = context.directory("config-file")
    config, token_file = directory / "config", directory / "authorization"
    sts = context.sts
    installed = run_credvend(context, "install", directory)
    check.equal("exit code of credvend install", installed.returncode, 0)
    options = [
        "--config-file", config, "--config-file-binary", directory / "credvend",
        "--auth-token-file", token_file, "--chain-role-arn", ROLE_B,
    ]
    with Sidecar(context, *options, **sts.pod_variables(ROLE_A)):
        context.secrets.add("AuthorizationToken", token_file.read_text())
        before = len(sts.exchanges())
        by_config = {"AWS_CONFIG_FILE": config, **sts.client_variables()}
        identity = boto3_identity(context, **by_config)
        check.equal("boto3 uses the process provider", identity["Provider"], "custom-process")
        check.that(f"boto3 has a session of {SESSION_B}", identity["Arn"].startswith(SESSION_B), identity["Arn"])
        check.equal("the AWS CLI has the same session", aws_cli_arn(context, **by_config), identity["Arn"])
        check.equal("number of exchanges after both clients", len(sts.exchanges()), before)
