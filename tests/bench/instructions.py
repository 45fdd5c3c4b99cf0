"""Instructions of the process, which callgrind counts and the load of the machine does not change; see counts.py."""

import counts
from figure import Goal, single

GROUP = "Instructions"
# The names in counts.py, those in the table, and the goals.
NAMES = {
    "export": ("`export`", 1_000_000),
    "export with a CA bundle": ("`export` with a CA bundle and no TLS connection", 1_200_000),
    "process --from-endpoint": ("`process --from-endpoint`", None),
    "request": ("a request", 12_000),
    "request of an SDK with a token": ("a request of an SDK with an authorization token", None),
}


def measure(bench):
    if bench.is_short or not bench.program("valgrind", "instructions"):
        return
    directory = bench.scratch / "counts"
    directory.mkdir()
    for name, count in counts.instructions(bench.credvend, bench.sts, directory):
        label, goal = NAMES[name]
        yield single(GROUP, label, "", count, goal=goal and Goal("≤", goal, ""))
