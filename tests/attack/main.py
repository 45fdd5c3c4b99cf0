"""Runs the attack suite; the script `run` prepares the arguments.

Prints one line for each scenario and a Markdown table of the figures at the end. Exits with 1 if a figure is beyond its limit,
and, with --required, if a scenario was skipped. A scenario of the short part that fails runs once more, by itself.
"""

import signal
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# `support` comes from the suites with real clients.
HERE = Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "real-clients")]

from scenarios import (
    clock, crowds, file_kinds, files, limits, locks, outage, planted, rewrites, secrets, signals, sts_faults, tls_faults,
    token_faults,
)
from stage.arguments import existing, new_file, suite_parser
from stage.report import table
from stage.scenario import full_name, run, scenarios_of
from stage.stage import Attack
from support.environment import remove_aws_variables

MODULES = [
    outage, clock, secrets, limits, crowds, files, file_kinds, planted, locks, rewrites, signals, sts_faults, tls_faults, token_faults,
]
# Most scenarios wait for most of their time. The first modules have those that wait longest.
PARALLEL = 8


def main(arguments):
    scenarios = [
        scenario for module in MODULES for scenario in scenarios_of(module)
        if (scenario.short or not arguments.short) and (not arguments.only or arguments.only in full_name(scenario))
    ]
    # A shell that starts this program in the background makes it ignore SIGINT, and processes inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="attack-", ignore_cleanup_errors=True) as scratch:
        Path(scratch).chmod(0o755)
        attack = Attack(arguments.credvend, arguments.local_sts, Path(scratch), arguments.dynamic, arguments.short)
        side_by_side = [scenario for scenario in scenarios if not scenario.alone]
        with ThreadPoolExecutor(PARALLEL) as pool:
            reports = list(pool.map(lambda scenario: run(scenario, attack), side_by_side))
        # Limits of time hold for a machine that does not run eight scenarios at once. Both results are printed.
        reports = [
            run(scenario, attack) if report.result == "FAIL" and arguments.short else report
            for scenario, report in zip(side_by_side, reports)
        ]
        reports += [run(scenario, attack) for scenario in scenarios if scenario.alone]
    figures = table(reports)
    print(f"\n{figures}")
    if arguments.figures:
        arguments.figures.write_text(figures)
    results = [report.result for report in reports]
    counts = ", ".join(f"{results.count(result)} {result}" for result in ("ok", "FAIL", "SKIP"))
    print(f"attack: {counts} in {time.monotonic() - started:.0f} s")
    failed = "FAIL" in results or not results or (arguments.required and "SKIP" in results)
    return 1 if failed else 0


def parse():
    parser = suite_parser(__doc__)
    parser.add_argument("--dynamic", type=existing, help="a dynamically linked credvend, for libfaketime")
    parser.add_argument("--short", action="store_true", help="the short part of the suite")
    parser.add_argument("--only", metavar="NAME", help="the scenarios whose names contain NAME")
    parser.add_argument("--figures", type=new_file, metavar="FILE", help="writes the table of figures to FILE")
    return parser.parse_args()


if __name__ == "__main__":
    remove_aws_variables()
    sys.exit(main(parse()))
