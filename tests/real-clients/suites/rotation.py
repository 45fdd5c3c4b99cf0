"""A boto3 process that outlives the credentials it began with three times over, and never notices."""

import json

from support.clients import boto3_app, boto3_command
from support.credvend import Sidecar
from support.local_sts import LocalSts
from support.processes import must, run as run_program
from support.world import ROLE_A, ROLE_B

# Refreshed after 20 to 24 s, served until 15 s before the end.
LIFETIME = 40
CHANGES = 3


def run(world, check):
    with LocalSts(world, "rotation-sts", "--credential-lifetime", str(LIFETIME)) as sts:
        with Sidecar(world, "--chain-role-arn", ROLE_B, **sts.pod_variables(ROLE_A)) as sidecar:
            variables = {**sidecar.client_variables(), **sts.client_variables()}
            command = boto3_command(world, "steady", CHANGES, CHANGES * LIFETIME)
            done = run_program(world, "boto3-steady", command, world.environment(**variables), CHANGES * LIFETIME + 30)
            *keys, total = [json.loads(line) for line in must(done).splitlines()]
        for key in keys:
            world.secrets.add_credentials(key)
        check.equal(f"the key changed {CHANGES} times", len(keys), CHANGES + 1)
        # Three refreshes after half a life each, and at least one call a second meanwhile.
        check.that(f"{total['Calls']} calls, none failed", total["Calls"] > CHANGES * LIFETIME / 2, total)

        calls = sts.requests("GetCallerIdentity")
        check.equal("STS answered every one with 200", {call["status"] for call in calls}, {200})
        check.equal("and saw as many", len(calls), total["Calls"])
        signers = [call["headers"]["authorization"].partition("Credential=")[2].partition("/")[0] for call in calls]
        check.equal("signed with each key in turn", list(dict.fromkeys(signers)), [key["AccessKeyId"] for key in keys])

        first = keys[0]
        late = boto3_app(
            world, "whoami", **sts.client_variables(),
            AWS_ACCESS_KEY_ID=first["AccessKeyId"],
            AWS_SECRET_ACCESS_KEY=first["SecretAccessKey"],
            AWS_SESSION_TOKEN=first["SessionToken"],
        )
        expired = late.returncode != 0 and "ExpiredToken" in late.stderr
        check.that("the first key has really expired", expired, late.stderr[-400:])
