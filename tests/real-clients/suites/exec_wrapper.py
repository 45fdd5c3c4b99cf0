"""`exec`: an unmodified client as the wrapped program."""

import json

from support.credvend import once
from support.world import ROLE_A, ROLE_B, SESSION_B


def run(world, check):
    sts = world.sts
    variables = {**sts.pod_variables(ROLE_A), "AWS_ACCESS_KEY_ID": "AKIASTALE", "AWS_SECRET_ACCESS_KEY": "stale"}
    program = [world.aws, "sts", "get-caller-identity", "--output", "json"]
    ended = once(world, "exec", "--chain-role-arn", ROLE_B, "--", *program, **variables)
    check.equal("the AWS CLI ends well under exec", ended.returncode, 0)
    check.that(f"and is {SESSION_B}…", json.loads(ended.stdout)["Arn"].startswith(SESSION_B), ended.stdout)
    ended = once(world, "exec", "--", world.aws, "no-such-command", **variables)
    check.that("its failure is passed on", ended.returncode not in (0, 1), ended.returncode)
