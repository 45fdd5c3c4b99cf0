"""The checks of a cell. Each takes a rig, the client and its place, and returns an outcome."""

import time
from dataclasses import dataclass

from matrix.outcome import Outcome, judge
from matrix.proxy import Proxy
from matrix.sections import section

# Credvend renews such a session after 20 to 24 s and serves it until 25 s. The projected token is renewed after 24 s.
SHORT = ("--credential-lifetime", "40", "--token-lifetime", "30")
LONG = ("--credential-lifetime", "3600")
TWENTY_MINUTES = ("--credential-lifetime", "1200")
PAUSE = 0.7


@dataclass(frozen=True)
class Check:
    name: str
    title: str
    run: callable
    # The outputs that it applies to; None: all.
    outputs: tuple | None = None
    only_renewing: bool = False
    only_repeating: bool = False
    core: bool = False
    # True for checks that wait for many minutes.
    slow: bool = False
    sts_options: tuple = LONG

    def applies(self, client, output):
        return (
            (self.outputs is None or output.name in self.outputs)
            and (output.renews or not self.only_renewing)
            and (client.repeats or not self.only_repeating)
        )


def first(rig, client, place):
    """The first call is signed with the session that credvend vends."""
    rig.start_sidecar()
    with rig.probe(client, place) as probe:
        return judge(probe.call())


def rotation(rig, client, place):
    """Calls without a pause over two renewals; none fails."""
    rig.start_sidecar()
    with rig.probe(client, place) as probe:
        started = time.monotonic()
        keys, calls = [], 0
        while len(keys) < 3:
            result = probe.call()
            calls += 1
            if not result.vended:
                return Outcome(False, f"call {calls} failed; {max(0, len(keys) - 1)} renewals", judge(result).details)
            if result.session.access_key not in keys:
                keys.append(result.session.access_key)
            if time.monotonic() - started > 180:
                return Outcome(False, f"{len(keys) - 1} renewals in 180 s")
            time.sleep(PAUSE)
    return Outcome(True, f"2 renewals in {time.monotonic() - started:.0f} s, {calls} calls")


def unavailable_first(rig, client, place):
    """The endpoint answers 503 for 3 s after the client's first request; the same process then gets credentials."""
    rig.fail_sts()
    if rig.output.kind == "metadata":
        rig.insert_spy()
    rig.start_sidecar(ready=False)
    rig.when(rig.refused, 3, rig.sts.clear_faults)
    with rig.probe(client, place) as probe:
        failed, started = 0, time.monotonic()
        while not (result := probe.call(queued=False)).vended:
            failed += 1
            if time.monotonic() - started > 60:
                return Outcome(False, f"{failed} calls failed in 60 s", judge(result).details)
            time.sleep(PAUSE)
    return Outcome(True, f"call {failed + 1}")


def restart(rig, client, place):
    """Credvend ends and starts again after a second; the same process gets credentials of the new one."""
    rig.start_sidecar()
    with rig.probe(client, place) as probe:
        result = probe.call()
        if not result.vended:
            return judge(result)
        before = set(rig.gate.sessions)
        rig.stop_sidecar()
        time.sleep(1)
        rig.start_sidecar()
        failed, started = 0, time.monotonic()
        while not (result := probe.call()).vended or result.session.access_key in before:
            failed += not result.vended
            if time.monotonic() - started > 120:
                return Outcome(False, "no new credentials in 120 s", judge(result).details)
            time.sleep(PAUSE)
    return Outcome(True, f"{failed} failed calls")


def token_rotated(rig, client, place):
    """Another program replaces the authorization token, whose predecessor is accepted for a minute; no call fails."""
    rig.start_sidecar()
    with rig.probe(client, place) as probe:
        started, keys, rotated = time.monotonic(), set(), False
        while time.monotonic() - started < 80:
            result = probe.call()
            if not result.vended:
                return Outcome(False, f"failed after {time.monotonic() - started:.0f} s", judge(result).details)
            keys.add(result.session.access_key)
            if not rotated:
                rig.rotate_authorization()
                rotated = True
            time.sleep(PAUSE)
    return Outcome(len(keys) > 2, f"{len(keys) - 1} renewals")


def sts_down(rig, client, place):
    """STS is down while credvend has good credentials; a client that starts now gets them."""
    rig.start_sidecar()
    rig.fail_sts()
    with rig.probe(client, place) as probe:
        return judge(probe.call())


def pair(rig, client, place):
    """The variables of the EKS webhook are left in the client's environment; says which identity the client uses."""
    rig.start_sidecar()
    with rig.probe(client, place, **rig.pair_variables()) as probe:
        result = probe.call()
    # A client that cannot be pointed at the local STS fails with the pair, or goes on to the next source.
    if result.vended:
        return Outcome(True, "the pair; credvend if STS fails" if rig.pair_was_read() else "credvend")
    return Outcome(True, "the pair") if result.ok or rig.pair_was_read() else judge(result)


def proxy(rig, client, place):
    """With proxy variables and NO_PROXY the client asks credvend directly. Says whether it does so without NO_PROXY."""
    rig.start_sidecar()
    with Proxy() as relay:
        variables = {name: relay.url for name in ("HTTP_PROXY", "http_proxy")}
        hosts = "127.0.0.1,localhost,169.254.170.2,169.254.170.23,169.254.169.254"
        with rig.probe(client, place, **variables, NO_PROXY=hosts, no_proxy=hosts) as probe:
            outcome = judge(probe.call())
        if not outcome.ok:
            return outcome
        if relay.saw_credentials():
            return Outcome(False, "ignores NO_PROXY", str(relay.paths))
        relay.paths.clear()
        with rig.probe(client, place, **variables) as probe:
            probe.call()
        return Outcome(True, "sent to the proxy" if relay.saw_credentials() else "direct")


def reads_again(rig, client, place, minutes=17):
    """Credvend starts again, which writes other credentials into the file; says when the client uses them."""
    rig.start_sidecar()
    with rig.probe(client, place) as probe:
        result = probe.call()
        if not result.vended:
            return judge(result)
        before = result.session
        rig.stop_sidecar()
        rig.start_sidecar()
        changed = time.monotonic()
        while time.monotonic() - changed < minutes * 60:
            result = probe.call()
            if not result.vended:
                return judge(result)
            if result.session != before:
                seconds = time.monotonic() - changed
                return Outcome(True, "at once" if seconds < 10 else f"after {seconds / 60:.0f} min")
            time.sleep(5 if time.monotonic() - changed > 15 else PAUSE)
    return Outcome(True, f"not within {minutes} min")


def renews(rig, client, place):
    """A session of 20 minutes; says how long before its expiry the client asks again, and no call fails until 22 minutes."""
    rig.insert_spy()
    rig.start_sidecar()
    with rig.probe(client, place) as probe:
        result = probe.call()
        if not result.vended:
            return judge(result)
        expires_at, started = result.session.expires_at, time.time()
        while time.time() < started + 22 * 60:
            time.sleep(5)
            result = probe.call()
            if not result.vended:
                return judge(result)
    # A client may fetch twice at its start.
    later = [at for at in rig.spy.fetches if at > started + 30]
    if not later:
        return Outcome(False, "never asked again")
    period = later[0] - started
    gaps = [second - first for first, second in zip(later, later[1:])]
    if len(gaps) > 1 and all(abs(gap - period) < 30 for gap in gaps):
        return Outcome(True, f"every {period / 60:.0f} min")
    return Outcome(True, remaining(expires_at - later[0]))


def remaining(seconds):
    if seconds >= 90:
        return f"{seconds / 60:.0f} min before expiry"
    return f"{seconds:.0f} s before expiry" if seconds >= 5 else "at expiry"


CHECKS = [
    Check("first", "first call", first, core=True),
    Check(
        # Metadata is in `renews`: clients keep such credentials for minutes if they would expire soon.
        "rotation", "rotation", rotation, ("EF", "EV", "E0", "CP", "EX", "R", "RT", "PI"),
        only_renewing=True, only_repeating=True, core=True, sts_options=SHORT,
    ),
    Check("unavailable", "503 first", unavailable_first, ("EF", "CP", "IM")),
    Check("restart", "credvend restarts", restart, ("EF", "CP"), only_repeating=True, sts_options=SHORT),
    Check("token-rotated", "authorization token rotated", token_rotated, ("EF",), only_repeating=True, sts_options=SHORT),
    Check("sts-down", "STS down", sts_down, ("EF", "CF", "CP", "IM")),
    Check("pair", "webhook's pair left in", pair, ("EF", "CF", "CP", "IM")),
    Check("proxy", "proxy variables", proxy, ("EF", "IM")),
    Check("section", "settings of another source in the section", section, ("CF",), only_repeating=True),
    Check("reads-again", "reads the file again", reads_again, ("CF",), only_repeating=True, slow=True),
    Check("renews", "renews", renews, ("EF", "IM"), only_repeating=True, slow=True, sts_options=TWENTY_MINUTES),
]
