"""Runs every story: `python main.py CREDVEND LOCAL_STS SCRATCH CLIENTS_ROOT [STORY]`; `run` prepares what it needs.

One line a check and a count at the end; exits 1 where any check failed.
"""

import os
import sys
from pathlib import Path

# Checks, deadlines and the search for leaks are the real clients' own; what reads manifests is that of their own suite.
TESTS = Path(__file__).resolve().parent.parent
sys.path[1:1] = [str(TESTS / "real-clients"), str(TESTS / "manifests")]

from pod.cluster import Cluster
from stories import (
    another_sts,
    bad_input,
    classic_sidecar,
    env_file,
    image,
    init_container,
    injected,
    logs,
    manifests,
    memory,
    native_sidecar,
    partition,
    termination,
    wrapper,
)
from support.checks import run, short, summary

STORIES = [
    image,
    native_sidecar,
    classic_sidecar,
    init_container,
    env_file,
    wrapper,
    manifests,
    injected,
    another_sts,
    termination,
    memory,
    partition,
    bad_input,
    # This one reads what all the others left.
    logs,
]


def main(credvend, local_sts, scratch, clients, only=None):
    stories = [story for story in STORIES if only in (None, short(story))]
    with Cluster(credvend, local_sts, scratch, clients) as cluster:
        return summary("pods", [run(story, cluster) for story in stories])


if __name__ == "__main__":
    if len(sys.argv) not in (5, 6):
        sys.exit(__doc__)
    # Containers get what a pod gives them, and nothing of the caller's.
    for name in [name for name in os.environ if name.startswith(("AWS_", "CREDVEND_"))]:
        del os.environ[name]
    paths = [Path(argument).resolve(strict=True) for argument in sys.argv[1:5]]
    sys.exit(main(*paths, *sys.argv[5:]))
