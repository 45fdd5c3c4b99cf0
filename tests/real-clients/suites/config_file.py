"""The config file that asks the endpoint: boto3 and the CLI run its credential_process."""

from support.clients import aws_identity, boto3_identity
from support.credvend import Sidecar, once
from support.world import ROLE_A, ROLE_B, SESSION_B


def run(world, check):
    directory = world.directory("config-file")
    config, token_file = directory / "config", directory / "authorization"
    sts = world.sts
    installed = once(world, "install", directory)
    check.equal("install copies the binary", installed.returncode, 0)
    options = [
        "--config-file", config, "--config-file-binary", directory / "credvend",
        "--auth-token-file", token_file, "--chain-role-arn", ROLE_B,
    ]
    with Sidecar(world, *options, **sts.pod_variables(ROLE_A)):
        world.secrets.add("AuthorizationToken", token_file.read_text())
        before = len(sts.exchanges())
        by_config = {"AWS_CONFIG_FILE": config, **sts.client_variables()}
        identity = boto3_identity(world, **by_config)
        check.equal("boto3 takes them from the process", identity["Provider"], "custom-process")
        check.that(f"boto3 is {SESSION_B}…", identity["Arn"].startswith(SESSION_B), identity["Arn"])
        check.equal("the AWS CLI is the same", aws_identity(world, **by_config), identity["Arn"])
        check.equal("neither cost a call to STS's exchanges", len(sts.exchanges()), before)
