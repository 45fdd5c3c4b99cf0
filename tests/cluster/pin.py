"""Pins a version of a program: `python3 tests/cluster/pin.py NAME [MODULE@VERSION]`.

NAME is the name of a file in `modules`, without `.sum`. Downloads the module and those that it needs, and writes the hashes that the
module's own go.sum lacks. The checksum database checks them where the environment of Go does not turn it off.
"""

import json
import sys
import tempfile
from pathlib import Path

from stage import programs
from stage.programs import MODULES


def main(name, module):
    path = MODULES / f"{name}.sum"
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        source.mkdir()
        downloaded = json.loads(programs.go("/", "mod", "download", "-json", module))
        path.write_text("{Path} {Version} {Sum}\n".format(**downloaded))
        program = next(program for program in all_programs(name) if program.pins == path)
        programs.write_module(program, source)
        # Adds the hashes of all modules that a build reads.
        programs.go(source, "list", "-mod=mod", "-deps", *program.tag_flags(), *program.import_paths())
        own = set((Path(downloaded["Dir"]) / "go.sum").read_text().splitlines())
        missing = [line for line in (source / "go.sum").read_text().splitlines() if line not in own]
    first = path.read_text().strip()
    path.write_text("".join(f"{line}\n" for line in [first, *sorted(line for line in missing if line != first)]))


def all_programs(name):
    return programs.programs(name.removeprefix("kubernetes-") if name.startswith("kubernetes-") else programs.DEFAULT)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
