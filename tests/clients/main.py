"""Runs the conformance suite; the script `run` prepares the arguments. `matrix/client.py` says how to add a client.

Prints one line for each check. Exits with 1 if a cell is not as recorded, and with --required if a client of the run could not be had
or a cell was skipped.
"""

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# `support` comes from the scenarios with real clients, `stage` from the attack suite.
sys.path[1:1] = [str(HERE.parent / "real-clients"), str(HERE.parent / "attack")]

from matrix import figures, record
from matrix.breaking import break_all
from matrix.client import all_clients
from matrix.suite import Suite, plan, select
from support.environment import remove_aws_variables

README = ROOT / "README.md"


def main(arguments):
    clients = all_clients()
    if arguments.list:
        print("\n".join(f"{client.name:20} {client.title}" for client in clients.values()))
        return 0
    chosen, outputs = select(clients, arguments.only)
    if arguments.core:
        chosen = [client for client in chosen if client.core]
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="clients-", ignore_cleanup_errors=True) as scratch:
        suite = Suite(arguments.credvend, arguments.local_sts, Path(scratch), arguments.jobs)
        available = suite.install(chosen)
        if arguments.install:
            return 1 if arguments.required and len(available) < len(chosen) else 0
        installed = time.monotonic()
        if arguments.breaking:
            green = break_all(suite, available)
            print(f"clients: {len(available)} rows broken on purpose, {green} broken answers not noticed")
            return 1 if green or not available else 0
        names = arguments.check and arguments.check.split(",")
        suite.run(plan(available, outputs, arguments.core, names))
    return report(arguments, clients, chosen, suite.results, installed - started, time.monotonic() - installed)


def report(arguments, clients, chosen, results, installing, running):
    blocks = figures.tables(chosen, results)
    print(f"\n{blocks[figures.MATRIX]}\n\n{blocks[figures.BEHAVIOR]}\n")
    if arguments.figures:
        arguments.figures.write_text(figures.document(blocks))
    not_tried, skipped = list(results.not_tried), list(results.skipped)
    record.merged(clients.values(), results)
    if arguments.readme:
        figures.write_into(README, figures.tables(clients.values(), results))
    unexpected = results.unexpected + [f"README.md: {text}" for text in figures.complaints(README, clients.values())]
    for line in unexpected:
        print(f"not as recorded: {line}")
    print(f"installed in {installing:.0f} s, ran for {running:.0f} s; not tried: {', '.join(not_tried) or 'none'}")
    print(f"clients: {results.passed} passed, {len(unexpected)} failed, {len(skipped)} skipped")
    lacking = not_tried or skipped
    return 1 if unexpected or not results.passed or (arguments.required and lacking) else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("credvend", type=lambda text: Path(text).resolve(strict=True))
    parser.add_argument("local_sts", type=lambda text: Path(text).resolve(strict=True))
    parser.add_argument("--core", action="store_true", help="one client of each family: first call and rotation")
    parser.add_argument("--only", metavar="NAME,…", help="only these clients and outputs: CLIENT, OUTPUT or CLIENT.OUTPUT")
    parser.add_argument("--check", metavar="NAME,…", help="only these checks")
    parser.add_argument("--break", dest="breaking", action="store_true", help="spoil the answers; each must turn the client's row red")
    parser.add_argument("--figures", type=Path, metavar="FILE", help="writes the tables to FILE")
    parser.add_argument("--readme", action="store_true", help="writes the tables of this run and of earlier ones into README.md")
    parser.add_argument("--install", action="store_true", help="only installs the clients")
    parser.add_argument("--list", action="store_true", help="prints the names of the clients")
    parser.add_argument("--jobs", type=int, default=32, help="checks that run at the same time")
    parser.add_argument("--required", action="store_true", help="a client that cannot be had is a failure")
    return parser.parse_args()


def end(number, _):
    """Ends the processes of all cells, and this one."""
    for process in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGKILL)
    os._exit(128 + number)


def descendants(process):
    """Returns the processes that this one started, by any of its threads, and those that they started."""
    found = []
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in file.read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


if __name__ == "__main__":
    signal.signal(signal.SIGINT, end)
    signal.signal(signal.SIGTERM, end)
    remove_aws_variables()
    sys.exit(main(parse()))
