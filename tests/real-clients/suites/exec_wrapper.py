"""`credvend exec` with an unmodified client as the command."""

import json

from support.credvend import run_credvend
from support.roles import ROLE_A, ROLE_B, SESSION_B


def run(context, check):
    sts = context.sts
    variables = {**sts.pod_variables(ROLE_A), "AWS_ACCESS_KEY_ID": "AKIASTALE", "AWS_SECRET_ACCESS_KEY": "stale"}
    program = [context.aws, "sts", "get-caller-identity", "--output", "json"]
    completed = run_credvend(context, "exec", "--chain-role-arn", ROLE_B, "--", *program, **variables)
    check.equal("exit code of the AWS CLI under exec", completed.returncode, 0)
    check.that(f"the AWS CLI has a session of {SESSION_B}", json.loads(completed.stdout)["Arn"].startswith(SESSION_B), completed.stdout)
    completed = run_credvend(context, "exec", "--", context.aws, "no-such-command", **variables)
    check.that("exec returns the exit code of a failed command", completed.returncode not in (0, 1), completed.returncode)
