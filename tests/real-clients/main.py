"""Runs every suite: `python main.py PATH_TO_CREDVEND PATH_TO_LOCAL_STS`.

One line a check and a count at the end; exits 1 where any check failed.
"""

import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from suites import (
    boto3_drives,
    config_file,
    credential_process,
    credentials_file,
    endpoint,
    exec_wrapper,
    export,
    instance_metadata,
    logs,
    moto,
    profiles,
    rotation,
    termination,
)
from support.checks import run, summary
from support.local_sts import LocalSts
from support.world import World

# These share one local STS and its record, so they take turns.
IN_TURN = [
    credentials_file, endpoint, credential_process, config_file, instance_metadata, exec_wrapper, profiles, export,
    termination, moto, boto3_drives,
]
# This one waits most of the time and has an STS of its own.
BESIDE = rotation
# And this one reads what all the others left.
LAST = logs


def main(credvend, local_sts):
    with tempfile.TemporaryDirectory(prefix="real-clients-") as scratch:
        world = World(credvend, local_sts, Path(scratch))
        with LocalSts(world, "sts") as world.sts, ThreadPoolExecutor(1) as pool:
            beside = pool.submit(run, BESIDE, world)
            results = [run(suite, world) for suite in IN_TURN]
            results.append(beside.result())
        results.append(run(LAST, world))
    return summary("real-clients", results)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    # Anything else started from here would meet the caller's own AWS set-up.
    for name in [name for name in os.environ if name.startswith(("AWS_", "CREDVEND_"))]:
        del os.environ[name]
    sys.exit(main(*(Path(argument).resolve(strict=True) for argument in sys.argv[1:])))
