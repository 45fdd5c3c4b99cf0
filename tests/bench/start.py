"""The time from the start of `credvend run` to its first credentials, beyond the time that STS itself takes.

In each round, a client that has its requests ready and its connection open measures the time of STS for every hop. The sum is subtracted from
the time of credvend in the same round. The rest contains the start of the process, its connection to STS, its log line with the address of
the endpoint, and the first request to the endpoint, which waits for the credentials. Beside it stands curl, which exchanges the token once:
its time without that of STS.
"""

from bench import duration
from chain import Client, role
from figure import Goal, compared
from processes import Sidecar
from samples import in_turn

GROUP = "Start to first credentials"
LENGTHS = (1, 2, 5)


def measure(bench):
    post = bench.post("the start against curl")
    if not post:
        return

    def started(hops):
        arguments = [part for hop in range(2, hops + 1) for part in ("--chain-role-arn", role(hop))]
        with Sidecar([bench.credvend], bench.sts.environment, *arguments) as sidecar:
            return sidecar.time_to_credentials * 1000

    with Client(bench.sts) as client:
        sts, curl, *ours = in_turn(
            bench.rounds(40, 10), client.times, lambda: duration(post, {}), *(lambda hops=hops: started(hops) for hops in LENGTHS),
        )
    others = [time - one[0] for time, one in zip(curl, sts, strict=True)]
    for hops, times in zip(LENGTHS, ours, strict=True):
        beyond = [time - sum(one[:hops]) for time, one in zip(times, sts, strict=True)]
        goal = Goal("≤", 5.0, "ms") if hops == 2 else None
        name = "1 hop" if hops == 1 else f"{hops} hops"
        yield compared(GROUP, f"{name}, beyond STS's own time", "ms", beyond, "curl, one exchange", others, goal=goal)
