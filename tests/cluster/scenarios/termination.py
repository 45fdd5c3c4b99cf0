"""The order in which the kubelet ends the containers of k8s/sidecar: the application first, then credvend."""

from datetime import datetime

from stage.story import OpenLogs, Story, Watched, identities, wait_for_identity
from support.roles import ROLE_B

INDEPENDENT = True


def run(cluster, check):
    with Story(cluster, "sidecar") as story:
        story.wait()
        pod = story.workloads[0].pods()[0]["metadata"]["name"]
        wait_for_identity(cluster, pod, "application")
        logs, watched = OpenLogs(cluster, pod), Watched(cluster, pod)
        cluster.kubectl("delete", "pod", pod, "--namespace", "shop", "--timeout=60s")
        lines = logs.lines()
        application = [text for name, _, text in lines if name == "application"]
        check.equal("role of the application before and after SIGTERM", identities("\n".join(application)), [ROLE_B, ROLE_B])
        order = [name for name, _, text in lines if text == "stopped" or "shutting down" in text]
        check.equal("the application stops before credvend shuts down", order, ["application", "credvend"])

        last = next(version for version in reversed(watched.versions()) if terminated(version))
        found = terminated(last)
        check.equal("exit codes", {name: state["exitCode"] for name, state in found.items()}, {"application": 0, "credvend": 0})
        application_end, credvend_end = (finished_at(found[name]) for name in ("application", "credvend"))
        took = (credvend_end - application_end).total_seconds()
        # The status has whole seconds.
        check.that(f"credvend ends within 3 s after the application: {took:.0f} s", 0 <= took <= 3, took)


def terminated(pod):
    """Returns the final state of each container, if all have ended."""
    statuses = pod["status"].get("containerStatuses", []) + pod["status"].get("initContainerStatuses", [])
    states = {status["name"]: status["state"].get("terminated") for status in statuses}
    return states if states and all(states.values()) else None


def finished_at(state):
    return datetime.fromisoformat(state["finishedAt"].replace("Z", "+00:00"))
