"""The cross-account example as an AWS config file: two profiles with one token, which share their first exchange."""

from support.clients import aws_cli_arn, boto3_identity
from support.credvend import Sidecar
from support.roles import ROLE_A, ROLE_B, SESSION_A, SESSION_B
from support.waiting import wait_until

CONFIG = """\
[profile account_b_role]
source_profile = account_a_role
role_arn = {role_b}

[profile account_a_role]
web_identity_token_file = {token_file}
role_arn = {role_a}
"""


def run(context, check):
    directory = context.directory("profiles")
    config, file = directory / "config", directory / "credentials"
    sts = context.sts
    config.write_text(CONFIG.format(role_a=ROLE_A, role_b=ROLE_B, token_file=sts.token_file))
    before = len(sts.exchanges())
    options = ["--all-profiles", "--config", config, "--credentials-file", file]
    with Sidecar(context, *options, **sts.client_variables(), AWS_REGION="us-east-1") as sidecar:
        sections = {"[account_a_role]", "[account_b_role]"}
        wait_until("the file has both sections", 10, lambda: file.exists() and sections <= set(file.read_text().splitlines()))
        for profile, session in [("account_a_role", SESSION_A), ("account_b_role", SESSION_B)]:
            by_file = {"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": profile, **sts.client_variables()}
            identity = boto3_identity(context, **by_file)
            check.equal(f"{profile}: boto3 uses the shared credentials file", identity["Provider"], "shared-credentials-file")
            check.that(f"{profile}: boto3 has a session of {session}", identity["Arn"].startswith(session), identity["Arn"])
            check.equal(f"{profile}: the AWS CLI has the same session", aws_cli_arn(context, **by_file), identity["Arn"])

            by_path = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{sidecar.url}/{profile}", **sts.client_variables()}
            served = boto3_identity(context, **by_path)
            check.equal(f"{profile}: the profile's path serves the same role", served["Arn"], identity["Arn"])
            check.equal(f"{profile}: the profile's path serves the same access key", served["AccessKeyId"], identity["AccessKeyId"])
        check.equal(
            "one AssumeRoleWithWebIdentity and one AssumeRole for both profiles",
            sorted(sts.exchanges()[before:]), ["AssumeRole", "AssumeRoleWithWebIdentity"],
        )
