"""A network partition between pod and STS: credvend serves its credentials until they expire, and recovers afterwards."""

from pod.manual import check_message
from pod.sts import Sts
from support.waiting import wait_until

# A short lifetime, so that the test can wait for the expiry: credvend refreshes after 15 s to 18 s, and serves credentials
# until 15 s before they expire.
LIFETIME = 30


def run(cluster, check):
    with cluster.pod("hour") as pod:
        sidecar = pod.credvend("run")
        sidecar.startup_probe()
        _, before = sidecar.credentials()
        with Partition(pod, sidecar):
            sidecar.signal("HUP")
            line = sidecar.wait_for("exchange failed|cannot reach|timed out", 20)
            check.that("the log reports that STS cannot be reached", pod.sts.url.partition("//")[2] in line or "sts" in line, line)
            status, during = sidecar.credentials()
            check.equal("the endpoint still serves the credentials", (status, during["AccessKeyId"]), (200, before["AccessKeyId"]))
            check.equal("exit code of `health` with valid credentials", sidecar.exec_status("/credvend", "health"), 0)
        after = wait_until("the endpoint serves new credentials", 60, lambda: new_credentials(sidecar, before))
        check.that("the endpoint serves new credentials after the partition", True)
        for document in (before, after):
            cluster.secrets.add_credentials(document)

    short = Sts(cluster, "sts-short", "--credential-lifetime", LIFETIME)
    with cluster.pod("expiry", sts=short) as pod:
        sidecar = pod.credvend("run")
        sidecar.startup_probe()
        _, before = sidecar.credentials()
        with Partition(pod, sidecar):
            wait_until("the endpoint responds with 503", LIFETIME + 10, lambda: sidecar.credentials()[0] == 503)
            check.that("the endpoint responds with 503 before the credentials expire", True)
            check_message(check, sidecar.credentials()[1], "no valid credentials for profile default since")
            check.equal("exit code of `health` without valid credentials", sidecar.exec_status("/credvend", "health"), 1)
            check.that("credvend keeps running", sidecar.is_running())
        after = wait_until("the endpoint serves new credentials", 70, lambda: new_credentials(sidecar, before))
        check.equal("exit code of `health` after the partition", sidecar.exec_status("/credvend", "health"), 0)
        for document in (before, after):
            cluster.secrets.add_credentials(document)


def new_credentials(sidecar, before):
    """Returns the endpoint's credentials if they differ from `before`, else None."""
    status, document = sidecar.credentials()
    return document if status == 200 and document["AccessKeyId"] != before["AccessKeyId"] else None


class Partition:
    """A context in which every packet from the pod to STS is dropped silently."""

    def __init__(self, pod, sidecar):
        self._sidecar = sidecar
        self._rule = ["OUTPUT", "--destination", pod.sts.address, "--jump", "DROP"]

    def __enter__(self):
        self._sidecar.run_in_network("iptables", "--append", *self._rule)

    def __exit__(self, *_):
        self._sidecar.run_in_network("iptables", "--delete", *self._rule)
