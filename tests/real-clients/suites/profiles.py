"""The cross-account example as an AWS config file: two profiles, one token, no call made twice."""

from support.clients import aws_identity, boto3_identity
from support.credvend import Sidecar
from support.deadline import until
from support.world import ROLE_A, ROLE_B, SESSION_A, SESSION_B

CONFIG = """\
[profile account_b_role]
source_profile = account_a_role
role_arn = {role_b}

[profile account_a_role]
web_identity_token_file = {token_file}
role_arn = {role_a}
"""


def run(world, check):
    directory = world.directory("profiles")
    config, file = directory / "config", directory / "credentials"
    sts = world.sts
    config.write_text(CONFIG.format(role_a=ROLE_A, role_b=ROLE_B, token_file=sts.token_file))
    before = len(sts.exchanges())
    options = ["--all-profiles", "--config", config, "--credentials-file", file]
    with Sidecar(world, *options, **sts.client_variables(), AWS_REGION="us-east-1") as sidecar:
        sections = {"[account_a_role]", "[account_b_role]"}
        until("both sections", 10, lambda: file.exists() and sections <= set(file.read_text().splitlines()))
        for profile, session in [("account_a_role", SESSION_A), ("account_b_role", SESSION_B)]:
            by_file = {"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_PROFILE": profile, **sts.client_variables()}
            identity = boto3_identity(world, **by_file)
            check.equal(f"{profile}: boto3 takes it from the file", identity["Provider"], "shared-credentials-file")
            check.that(f"{profile}: boto3 is {session}…", identity["Arn"].startswith(session), identity["Arn"])
            check.equal(f"{profile}: the AWS CLI is the same", aws_identity(world, **by_file), identity["Arn"])

            by_path = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{sidecar.url}/{profile}", **sts.client_variables()}
            served = boto3_identity(world, **by_path)
            check.equal(f"{profile}: its path serves the same role", served["Arn"], identity["Arn"])
            check.equal(f"{profile}: and the same key", served["AccessKeyId"], identity["AccessKeyId"])
        check.equal(
            "one AssumeRoleWithWebIdentity and one AssumeRole for both",
            sorted(sts.exchanges()[before:]), ["AssumeRole", "AssumeRoleWithWebIdentity"],
        )
