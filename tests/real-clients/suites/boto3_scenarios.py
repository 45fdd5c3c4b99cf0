"""The boto3 scenarios of the local STS, on which the other suites rely."""

from pathlib import Path

from support.commands import stdout_of
from support.processes import run_program

SCRIPT = Path(__file__).resolve().parents[2] / "local-sts" / "tests" / "boto3_scenarios.py"


def run(context, check):
    command = [context.python, "-B", SCRIPT, context.local_sts]
    output = stdout_of(run_program(context, "boto3-scenarios", command, context.environment(), 180))
    check.that(f"local-sts: {output.strip()}", "checks passed" in output, output)
