"""Tests credvend with SeaweedFS; the script `run` prepares the arguments."""

import argparse
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# `matrix` is the conformance suite, `support` comes from the scenarios with real clients.
sys.path[1:1] = [str(HERE.parent), str(HERE.parent.parent / "real-clients")]

import seaweedfs
from matrix import install, network
from server import build
from support import checks
from support.context import ClientsContext
from support.environment import remove_aws_variables


def main(arguments):
    if not network.namespaces_available():
        return skip("needs root", arguments)
    try:
        place = install.installer("seaweedfs", [HERE / "server.py"], build)()
    except install.NotAvailable as reason:
        return skip(reason, arguments)
    network.enter_namespace()
    with tempfile.TemporaryDirectory(prefix="seaweedfs-", ignore_cleanup_errors=True) as scratch:
        context = ClientsContext(arguments.credvend, arguments.local_sts, Path(scratch))
        context.seaweedfs = place / "weed"
        result = checks.run(seaweedfs, context)
    print(f"seaweedfs: {result.passed} passed, {result.failed} failed in {result.duration:.0f} s")
    return 1 if result.failed else 0


def skip(reason, arguments):
    print(f"seaweedfs: NOT RUN: {reason}", file=sys.stderr)
    return 1 if arguments.required else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("credvend", type=Path)
    parser.add_argument("local_sts", type=Path)
    parser.add_argument("--required", action="store_true", help="a test that cannot run is a failure")
    return parser.parse_args()


if __name__ == "__main__":
    remove_aws_variables()
    sys.exit(main(parse()))
