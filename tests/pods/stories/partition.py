"""No packet between pod and STS for a while: what is in hand is served as long as it may be, and then it mends itself."""

from pod.manual import told
from pod.sts import Sts
from support.deadline import until

# Short, so that their end can be waited for: renewed after 15 s to 18 s, served until 15 s.
LIFETIME = 30


def run(cluster, check):
    with cluster.pod("hour") as pod:
        sidecar = pod.credvend("run")
        sidecar.startup_probe()
        _, before = sidecar.credentials()
        with cut(pod, sidecar):
            sidecar.signal("HUP")
            line = sidecar.wait_for("exchange failed|cannot reach|timed out", 20)
            check.that("the log says that STS is not reached", pod.sts.url.partition("//")[2] in line or "sts" in line, line)
            status, during = sidecar.credentials()
            check.equal("what is in hand is still served", (status, during["AccessKeyId"]), (200, before["AccessKeyId"]))
            check.equal("and health says ready", sidecar.execute("/credvend", "health"), 0)
        after = until("new credentials once packets flow", 60, lambda: changed(sidecar, before))
        check.that("healed, it has new credentials by itself", True)
        for document in (before, after):
            cluster.secrets.add_credentials(document)

    short = Sts(cluster, "sts-short", "--credential-lifetime", LIFETIME)
    with cluster.pod("expiry", sts=short) as pod:
        sidecar = pod.credvend("run")
        sidecar.startup_probe()
        _, before = sidecar.credentials()
        with cut(pod, sidecar):
            until("the endpoint to refuse", LIFETIME + 10, lambda: sidecar.credentials()[0] == 503)
            check.that("before they expire the endpoint answers 503", True)
            told(check, sidecar.credentials()[1], "no valid credentials for profile default; the log of credvend says why")
            check.equal("and health says no", sidecar.execute("/credvend", "health"), 1)
            check.that("credvend goes on", sidecar.running())
        after = until("new credentials once packets flow", 70, lambda: changed(sidecar, before))
        check.equal("healed, health says yes", sidecar.execute("/credvend", "health"), 0)
        for document in (before, after):
            cluster.secrets.add_credentials(document)


def changed(sidecar, before):
    status, document = sidecar.credentials()
    return document if status == 200 and document["AccessKeyId"] != before["AccessKeyId"] else None


class cut:
    """Drops every packet from the pod to STS, silently."""

    def __init__(self, pod, sidecar):
        self._sidecar = sidecar
        self._rule = ["OUTPUT", "--destination", pod.sts.address, "--jump", "DROP"]

    def __enter__(self):
        self._sidecar.in_network("iptables", "--append", *self._rule)

    def __exit__(self, *_):
        self._sidecar.in_network("iptables", "--delete", *self._rule)
