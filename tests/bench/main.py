"""Measures the size, memory and speed of credvend, beside other programs on the same machine in the same minute.

`run` starts it. A part is a module with the function `measure`, which yields figures; PARTS lists the parts. Ratios are medians of rounds
in which the programs take turns, with the quartiles. Exits with 1 if a limit of size or memory is exceeded, or if README.md and the plots
are not those of results.json: the load of the machine affects none of these.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import crowd
import endpoint
import idle
import instructions
import machine
import one_shots
import publish
import rewrite
import size
import start
import table
from bench import Bench
from chain import world
from processes import LocalSts

PARTS = {
    "one-shots": one_shots, "endpoint": endpoint, "idle": idle, "crowd": crowd, "start": start, "rewrite": rewrite,
    "instructions": instructions, "size": size,
}


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--required", action="store_true")
    parser.add_argument("--only", choices=PARTS)
    parser.add_argument("--aws")
    parser.add_argument("--crates", metavar="BINARY_WITH_SYMBOLS")
    parser.add_argument("credvend")
    parser.add_argument("local_sts")
    options = parser.parse_args()
    if options.update and (options.short or options.only):
        parser.error("--update publishes a whole run")
    return options


def measured(bench, only):
    """Returns the figures, and prints each as soon as it is measured."""
    figures, group = [], None
    for name, part in PARTS.items():
        if only not in (None, name):
            continue
        for figure in part.measure(bench):
            if figure.group != group:
                group = figure.group
                print(group, flush=True)
            print(table.terminal_line(figure), flush=True)
            figures.append(figure)
    return figures


def main():
    options = arguments()
    began = time.monotonic()
    # The first average of the load, before the benchmarks are the load.
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        scratch = Path(name)
        # nginx's worker gives up root.
        scratch.chmod(0o755)
        accounts = scratch / "world.json"
        accounts.write_text(json.dumps(world()))
        with LocalSts(options.local_sts, scratch, "--world", accounts) as sts:
            bench = Bench(options.credvend, sts, scratch, options.aws, options.short)
            if not (options.aws or options.short):
                bench.skip("the AWS CLI", "tests/real-clients/environment did not install it")
            if load > 0.5:
                print(f"bench: the machine is not idle (load {load:.1f}): compare the ratios, and not the times", file=sys.stderr)
            figures = measured(bench, options.only)
            crates = size.crates(options.crates) if options.crates else None
            described = {**machine.describe(bench), "load": round(load, 2)}
    for crate, length in crates or []:
        print(f"  {crate:<66} {length / 1024:.0f} KiB")
    print(f"measured in {time.monotonic() - began:.0f} s")
    if options.update and bench.not_run:
        return f"results not written, because these parts did not run: {', '.join(bench.not_run)}"
    if options.update:
        publish.write(described, figures, crates)
    return failures(options, bench, figures)


def failures(options, bench, figures):
    found = [f"limit exceeded: {figure.group}: {figure.name}" for figure in figures if figure.exceeds_limit()]
    if options.required:
        found += [f"not run: {part}" for part in bench.not_run]
    found += [f"{file} is not what results.json gives; run `just bench --render`" for file in publish.outdated()]
    return "\n".join(found) or None


if __name__ == "__main__":
    sys.exit(publish.render() if "--render" in sys.argv else main())
