"""Runs all suites: `python main.py PATH_TO_CREDVEND PATH_TO_LOCAL_STS`.

Prints one line for each check and the total at the end. Exits with 1 if a check failed.
"""

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from suites import (
    boto3_scenarios,
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
    trust_policy_formats,
)
from support.checks import run, summary
from support.context import ClientsContext
from support.environment import remove_aws_variables
from support.local_sts import LocalSts

# These suites run one after another, because they share one local STS and its recorded requests.
SEQUENTIAL = [
    credentials_file, endpoint, credential_process, config_file, instance_metadata, exec_wrapper, profiles, export,
    termination, trust_policy_formats, moto, boto3_scenarios,
]
# This suite waits most of the time and has its own STS, so it runs in parallel with the others.
PARALLEL = rotation
# This suite reads the logs of all other suites.
LAST = logs


def main(credvend, local_sts):
    with tempfile.TemporaryDirectory(prefix="real-clients-") as scratch:
        context = ClientsContext(credvend, local_sts, Path(scratch))
        with LocalSts(context, "sts") as context.sts, ThreadPoolExecutor(1) as pool:
            parallel = pool.submit(run, PARALLEL, context)
            results = [run(suite, context) for suite in SEQUENTIAL]
            results.append(parallel.result())
        results.append(run(LAST, context))
    return summary("real-clients", results)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    remove_aws_variables()
    sys.exit(main(*(Path(argument).resolve(strict=True) for argument in sys.argv[1:])))
