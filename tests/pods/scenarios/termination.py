"""Signals to credvend as PID 1, for which the kernel does not apply default actions."""


def run(cluster, check):
    with cluster.pod("terms") as pod:
        first = pod.credvend("run", name="first")
        second = pod.credvend("run", name="second", variables={"CREDVEND_LISTEN": "127.0.0.1:9912"})
        first.startup_probe()
        second.startup_probe()
        application = pod.application("app", "sh", "-c", "trap 'exit 0' TERM; echo started; while :; do sleep 0.1; done")
        application.wait_for("started")
        took = pod.terminate([application], [first, second])
        check.equal("exit codes of application, last sidecar and first sidecar",
                    [application.wait(), second.wait(), first.wait()], [0, 0, 0])
        check.that(f"each sidecar exits within 2 s: {', '.join(f'{s:.2f} s' for s in took)}", max(took) < 2, took)

    for signal in ("TERM", "INT"):
        with cluster.pod("early") as pod:
            pod.sts.inject_fault("hang")
            sidecar = pod.credvend("run")
            sidecar.wait_for("listening")
            took = sidecar.terminate(signal)
            pod.sts.clear_faults()
            check.equal(f"exit code on SIG{signal} while STS hangs", sidecar.wait(), 0)
            check.that(f"exit within 2 s while STS hangs: {took:.2f} s", took < 2, f"{took:.2f} s")

    with cluster.pod("twice") as pod:
        sidecar = pod.credvend("run", variables={"CREDVEND_DRAIN": "60s"})
        sidecar.startup_probe()
        sidecar.signal("TERM")
        sidecar.wait_for("drain")
        took = sidecar.terminate("TERM")
        check.that(f"a second SIGTERM ends draining: {took:.2f} s", took < 2, f"{took:.2f} s")
