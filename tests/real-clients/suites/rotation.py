"""A boto3 process that runs longer than three sets of credentials, without a failed call."""

import json

from support.clients import boto3_command, run_boto3_app
from support.commands import stdout_of
from support.credvend import Sidecar
from support.local_sts import LocalSts
from support.processes import run_program
from support.roles import ROLE_A, ROLE_B

# Credvend refreshes after 20 to 24 s, and serves credentials until 15 s before they expire.
LIFETIME = 40
CHANGES = 3


def run(context, check):
    with LocalSts(context, "rotation-sts", "--credential-lifetime", str(LIFETIME)) as sts:
        with Sidecar(context, "--chain-role-arn", ROLE_B, **sts.pod_variables(ROLE_A)) as sidecar:
            variables = {**sidecar.client_variables(), **sts.client_variables()}
            command = boto3_command(context, "long_running", CHANGES, CHANGES * LIFETIME)
            done = run_program(context, "boto3-long-running", command, context.environment(**variables), CHANGES * LIFETIME + 30)
            *keys, total = [json.loads(line) for line in stdout_of(done).splitlines()]
        for key in keys:
            context.secrets.add_credentials(key)
        check.equal(f"number of access keys after {CHANGES} changes", len(keys), CHANGES + 1)
        # Each refresh occurs after at least half of the lifetime, and the process makes at least one call per second.
        check.that(f"{total['Calls']} calls without a failure", total["Calls"] > CHANGES * LIFETIME / 2, total)

        calls = sts.requests("GetCallerIdentity")
        check.equal("status of all calls in STS", {call["status"] for call in calls}, {200})
        check.equal("number of calls in STS", len(calls), total["Calls"])
        signers = [call["headers"]["authorization"].partition("Credential=")[2].partition("/")[0] for call in calls]
        check.equal("access keys of the calls in STS, in order", list(dict.fromkeys(signers)), [key["AccessKeyId"] for key in keys])

        first = keys[0]
        late = run_boto3_app(
            context, "caller_identity", **sts.client_variables(),
            AWS_ACCESS_KEY_ID=first["AccessKeyId"],
            AWS_SECRET_ACCESS_KEY=first["SecretAccessKey"],
            AWS_SESSION_TOKEN=first["SessionToken"],
        )
        expired = late.returncode != 0 and "ExpiredToken" in late.stderr
        check.that("the first access key has expired", expired, late.stderr[-400:])
