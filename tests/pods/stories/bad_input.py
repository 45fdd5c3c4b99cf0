"""Manifests with a mistake: each gives, in `kubectl logs`, the line that its user needs."""

from pod import volumes


def run(cluster, check):
    with cluster.pod("no-volume") as pod:
        line = pod.credvend("run", token=False).wait_for("no such file")
        check.that(f"token volume missing: {said(line)}", "mount a projected serviceAccountToken volume there" in line)

    with cluster.pod("audience") as pod:
        token = pod.sts.mint(audience=["https://kubernetes.default.svc"])
        volume = volumes.token_volume(pod.directory / "token", token, 0o640, cluster.group)
        line = pod.credvend("run", token=volume).wait_for("Incorrect token audience")
        check.that(f"wrong audience: {said(line)}", "project the token with an audience that is among" in line)

    with cluster.pod("no-fsgroup", fs_group=False) as pod:
        volume = volumes.token_volume(pod.directory / "token", pod.sts.mint(), 0o600)
        line = pod.credvend("run", token=volume).wait_for("permission denied")
        check.that(f"no fsGroup: {said(line)}", "to uid 65532" in line and "set fsGroup" in line)

    with cluster.pod("subpath") as pod:
        volume = pod.empty_dir("aws")
        file = volume / "credentials"
        file.touch()
        volumes.own(file, 0o666, cluster.group)
        for name, around in [("in the image's directory", {}), ("in a volume that it can write", {"/aws": pod.empty_dir("around")})]:
            sidecar = pod.credvend(
                "run", name="around" if around else "alone", variables={"CREDVEND_CREDENTIALS_FILE": "/aws/credentials"},
                mounts={**around, "/aws/credentials": file},
            )
            check.equal(f"credentials file by subPath, {name}: it ends with 6", sidecar.end(), 6)
            line = last(sidecar)
            check.that(f"and {said(line)}", "mount the directory that holds it instead" in line, line)

    with cluster.pod("port") as pod:
        pod.credvend("run", name="first").startup_probe()
        second = pod.credvend("run", name="second")
        check.equal("port taken: it ends with 6", second.end(), 6)
        line = last(second)
        check.that(f"port taken: {said(line)}", "127.0.0.1:9911" in line and "choose another port" in line, line)


def last(container):
    return container.logs().rstrip().splitlines()[-1]


def said(line):
    """Without the time."""
    return line.split("Z ", 1)[-1].strip()
