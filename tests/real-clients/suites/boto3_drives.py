"""The local STS's own boto3 scenarios: what the other suites lean on."""

from pathlib import Path

from support.processes import must, run as run_program

SCRIPT = Path(__file__).resolve().parents[2] / "local-sts" / "tests" / "boto3_drives.py"


def run(world, check):
    done = run_program(world, "boto3-drives", [world.python, "-B", SCRIPT, world.local_sts], world.environment(), 180)
    check.that(f"local-sts: {must(done).strip()}", "checks passed" in done.stdout, done.stdout)
