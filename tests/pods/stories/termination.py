"""Signals to a process that is PID 1, hence without the system's default actions."""


def run(cluster, check):
    with cluster.pod("terms") as pod:
        first = pod.credvend("run", name="first")
        second = pod.credvend("run", name="second", variables={"CREDVEND_LISTEN": "127.0.0.1:9912"})
        first.startup_probe()
        second.startup_probe()
        application = pod.client("app", "sh", "-c", "trap 'exit 0' TERM; echo started; while :; do sleep 0.1; done")
        application.wait_for("started")
        took = pod.terminate([application], [first, second])
        check.equal("application, last sidecar, first sidecar: all end with 0",
                    [application.end(), second.end(), first.end()], [0, 0, 0])
        check.that(f"each sidecar within two seconds: {', '.join(f'{s:.2f} s' for s in took)}", max(took) < 2, took)

    for signal in ("TERM", "INT"):
        with cluster.pod("early") as pod:
            pod.sts.fault("hang")
            sidecar = pod.credvend("run")
            sidecar.wait_for("listening")
            took = sidecar.ended_by(signal)
            pod.sts.clear_faults()
            check.equal(f"SIG{signal} while STS is silent: it ends with 0", sidecar.end(), 0)
            check.that(f"within two seconds: {took:.2f} s", took < 2, f"{took:.2f} s")

    with cluster.pod("twice") as pod:
        sidecar = pod.credvend("run", variables={"CREDVEND_DRAIN": "60s"})
        sidecar.startup_probe()
        sidecar.signal("TERM")
        sidecar.wait_for("drain")
        took = sidecar.ended_by("TERM")
        check.that(f"a second SIGTERM ends the draining at once: {took:.2f} s", took < 2, f"{took:.2f} s")
