"""`credential_process = credvend process …` in the very profile that the clients are told to use."""

import json
import shlex

from support.clients import aws_identity, boto3_identity
from support.credvend import once
from support.processes import must
from support.world import ROLE_A, ROLE_B, SESSION_A, SESSION_B


def run(world, check):
    config = world.directory("credential-process") / "config"
    sts = world.sts
    base = ["--role-arn", ROLE_A, "--web-identity-token-file", str(sts.token_file)]
    options = {"one_role": base, "chained": [*base, "--chain-role-arn", ROLE_B]}
    config.write_text("".join(
        f"[profile {profile}]\ncredential_process = {shlex.join([str(world.credvend), 'process', *words])}\n\n"
        for profile, words in options.items()
    ))
    for profile, session, exchanges in [
        ("one_role", SESSION_A, ["AssumeRoleWithWebIdentity"]),
        ("chained", SESSION_B, ["AssumeRoleWithWebIdentity", "AssumeRole"]),
    ]:
        variables = {"AWS_CONFIG_FILE": config, "AWS_PROFILE": profile, **sts.client_variables()}
        before = len(sts.exchanges())
        identity = boto3_identity(world, **variables)
        check.equal(f"{profile}: boto3 takes them from the process", identity["Provider"], "custom-process")
        check.that(f"{profile}: boto3 is {session}…", identity["Arn"].startswith(session), identity["Arn"])
        check.equal(f"{profile}: and no call was made twice", sts.exchanges()[before:], exchanges)
        check.equal(f"{profile}: the AWS CLI is the same", aws_identity(world, **variables), identity["Arn"])

        # As the client starts it, but with its stderr kept.
        document = json.loads(must(once(world, "process", *options[profile], **variables)))
        world.secrets.add_credentials(document)
        check.equal(f"{profile}: the document's version", document["Version"], 1)
