"""Starts the cluster and runs scenarios, inside its namespaces; `main.py` prepares the arguments."""

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
# `main.py` then does not keep the cluster.
NOT_UP = 3
# With more of them on two cores, an application can take longer than its grace period to call AWS after SIGTERM.
AT_A_TIME = 3
sys.path[1:1] = [str(HERE.parent / "real-clients"), str(HERE.parent / "manifests")]

import scenarios
from stage.cluster import Cluster
from support import checks
from support.checks import CheckFailed


def main(arguments):
    with tempfile.TemporaryDirectory(prefix="cluster-") as scratch:
        cluster = Cluster(arguments.state, arguments.local_sts, Path(scratch))
        cluster.credvend = arguments.credvend
        began = time.monotonic()
        try:
            (cluster.resume if arguments.up else cluster.start)(arguments.image)
        except CheckFailed as failure:
            print(f"FAILED start: {failure}", flush=True)
            return NOT_UP
        print(f"cluster: up after {time.monotonic() - began:.1f} s", flush=True)
        found = {scenario.name: scenario for scenario in scenarios.find()}
        results = run_all([found[name] for name in arguments.scenarios], cluster, arguments.attempts)
        return summary(results, time.monotonic() - began)


def run_all(chosen, cluster, attempts):
    """Runs the independent scenarios, which mostly wait, several at a time, and then the others. Returns the results in that order."""
    # Parts are short. The others start first, so that none of them runs alone at the end.
    independent = sorted((scenario for scenario in chosen if scenario.is_independent), key=lambda scenario: scenario.part is not None)
    others = [scenario for scenario in chosen if not scenario.is_independent]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        results = list(pool.map(lambda scenario: checks.run(scenario, cluster), independent))
    results += [checks.run(scenario, cluster) for scenario in others]
    for _ in range(attempts - 1):
        results = [repeat(scenario, result, cluster) for scenario, result in zip(independent + others, results)]
    return results


def repeat(scenario, result, cluster):
    """Runs a scenario again if it failed: a busy machine can exceed the time limits of the kubelet. The table of results shows it."""
    if not result.failed:
        return result
    repeated = checks.run(scenario, cluster)
    repeated.suite += " (repeated)"
    return repeated


def summary(results, seconds):
    """Prints a table of the scenarios and returns the exit code."""
    width = max((len(result.suite) for result in results), default=0)
    print(f"\n{'Scenario':{width}}  Result  Checks  Seconds")
    for result in results:
        print(f"{result.suite:{width}}  {'FAILED' if result.failed else 'ok':6}  {result.passed:6}  {result.duration:7.1f}")
    passed, failed = (sum(getattr(result, name) for result in results) for name in ("passed", "failed"))
    print(f"cluster: {passed} passed, {failed} failed in {seconds:.0f} s")
    return 1 if failed or not passed else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--up", action="store_true", help="the cluster runs already")
    parser.add_argument("--image", type=Path, action="append", default=[])
    parser.add_argument("--credvend", type=Path)
    parser.add_argument("--attempts", type=int)
    parser.add_argument("state", type=Path)
    parser.add_argument("local_sts", type=Path)
    parser.add_argument("scenarios", nargs="*")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main(parse()))
