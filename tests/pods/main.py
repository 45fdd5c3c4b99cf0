"""Runs all scenarios, or one: `python main.py CREDVEND LOCAL_STS SCRATCH PYTHON_ROOT [SCENARIO]`.

The script `run` prepares the arguments. Prints one line for each check and the total at the end. Exits with 1 if a check
failed.
"""

import sys
from pathlib import Path

# `support` comes from the suites with real clients.
TESTS = Path(__file__).resolve().parent.parent
sys.path[1:1] = [str(TESTS / "real-clients")]

from pod.cluster import Cluster
from scenarios import expired_token, image, logs, memory, partition, termination
from support.checks import run, short_name, summary
from support.environment import remove_aws_variables

SCENARIOS = [
    image,
    expired_token,
    termination,
    memory,
    partition,
    # This scenario reads the logs of all others.
    logs,
]


def main(credvend, local_sts, scratch, python_root, only=None):
    scenarios = [scenario for scenario in SCENARIOS if only in (None, short_name(scenario))]
    with Cluster(credvend, local_sts, scratch, python_root) as cluster:
        return summary("pods", [run(scenario, cluster) for scenario in scenarios])


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    remove_aws_variables()
    paths = [Path(argument).resolve(strict=True) for argument in sys.argv[1:5]]
    sys.exit(main(*paths, *sys.argv[5:]))
