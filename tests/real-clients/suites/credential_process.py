"""`credential_process = credvend process …` in the profile that the clients use."""

import json
import shlex

from support.clients import aws_cli_arn, boto3_identity
from support.commands import stdout_of
from support.credvend import run_credvend
from support.roles import ROLE_A, ROLE_B, SESSION_A, SESSION_B


def run(context, check):
    config = context.directory("credential-process") / "config"
    sts = context.sts
    base = ["--role-arn", ROLE_A, "--web-identity-token-file", str(sts.token_file)]
    options = {"one_role": base, "chained": [*base, "--chain-role-arn", ROLE_B]}
    config.write_text("".join(
        f"[profile {profile}]\ncredential_process = {shlex.join([str(context.credvend), 'process', *words])}\n\n"
        for profile, words in options.items()
    ))
    for profile, session, exchanges in [
        ("one_role", SESSION_A, ["AssumeRoleWithWebIdentity"]),
        ("chained", SESSION_B, ["AssumeRoleWithWebIdentity", "AssumeRole"]),
    ]:
        variables = {"AWS_CONFIG_FILE": config, "AWS_PROFILE": profile, **sts.client_variables()}
        before = len(sts.exchanges())
        identity = boto3_identity(context, **variables)
        check.equal(f"{profile}: boto3 uses the process provider", identity["Provider"], "custom-process")
        check.that(f"{profile}: boto3 has a session of {session}", identity["Arn"].startswith(session), identity["Arn"])
        check.equal(f"{profile}: exchanges of one boto3 process", sts.exchanges()[before:], exchanges)
        check.equal(f"{profile}: the AWS CLI has the same session", aws_cli_arn(context, **variables), identity["Arn"])

        # Run the process as the client does, but keep its stderr.
        document = json.loads(stdout_of(run_credvend(context, "process", *options[profile], **variables)))
        context.secrets.add_credentials(document)
        check.equal(f"{profile}: version of the document", document["Version"], 1)
