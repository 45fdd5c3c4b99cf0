"""A Job: when its own container has ended, so does the sidecar, and the pod."""

from pod.pod import AWS


def run(cluster, check):
    with cluster.pod("job") as pod:
        sidecar = pod.credvend("run")
        sidecar.startup_probe()
        work = pod.client("work", "sh", "-c", f"{' '.join(AWS)} sts get-caller-identity && exit 3")
        check.equal("the work ends with its own code", work.end(), 3)
        check.that("the sidecar would go on", sidecar.running())
        (took,) = pod.terminate([], [sidecar])
        check.equal("told to, it ends with 0", sidecar.end(), 0)
        check.that(f"within two seconds: {took:.2f} s", took < 2, f"{took:.2f} s")
        check.that("nothing in the pod is left running", not work.running() and not sidecar.running())
