"""Broken answers on purpose: each must turn the client's cell red, which shows that the suite sees what the client uses."""

from matrix.checks import LONG, Check, judge
from matrix.outputs import OUTPUTS
from matrix.spy import SPOILS, WRONG_SECRET
from matrix.suite import Job

# The outputs whose documents can be spoiled, in the order of preference.
OUTPUTS_TO_SPOIL = ("EF", "E0", "IM", "XP")
# Some clients use credentials although they have expired; the gate accepts them, because they have not.
INFORMATIVE = "past expiry"
VARIABLES = {
    "wrong secret": {"AWS_SECRET_ACCESS_KEY": WRONG_SECRET},
    "missing token": {"AWS_SESSION_TOKEN": ""},
    "past expiry": {"AWS_CREDENTIAL_EXPIRATION": "2020-01-01T00:00:00Z"},
}


def spoiled(rig, client, place, spoil=None):
    """The first call with a spoiled document."""
    variables = {}
    if rig.output.kind == "variables":
        variables = VARIABLES[spoil]
    else:
        rig.insert_spy(SPOILS[spoil])
    rig.start_sidecar()
    with rig.probe(client, place, **variables) as probe:
        return judge(probe.call())


SPOILED = Check("spoiled", "broken answer", spoiled, sts_options=LONG)


def break_all(suite, clients):
    """Spoils one output of each client in three ways, and returns the number of rows that did not turn red."""
    green = 0
    for client in clients:
        usable = [name for name in OUTPUTS_TO_SPOIL if name not in client.fails]
        if not usable:
            print(f"GREEN {client.name}: it uses none of {', '.join(OUTPUTS_TO_SPOIL)}")
            green += 1
            continue
        job, found = Job(client, OUTPUTS[usable[0]], SPOILED), []
        for spoil in SPOILS:
            outcome = suite.attempt(job, spoil=spoil)
            found.append(f"{spoil}: {'used' if outcome.ok else 'red'}")
            green += outcome.ok and spoil != INFORMATIVE
        word = "GREEN" if any(text.endswith("used") and not text.startswith(INFORMATIVE) for text in found) else "red"
        print(f"{word:5} {job.name}: {'; '.join(found)}", flush=True)
    return green
