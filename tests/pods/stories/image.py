"""The image: what is in it, and that the same commit gives the same one."""

import json


def run(cluster, check):
    inspected = json.loads(cluster.engine("image", "inspect", cluster.image))[0]
    check.equal("it has a numeric user that is not root", inspected["Config"]["User"], "65532:65532")
    check.equal("it starts credvend", inspected["Config"]["Entrypoint"], ["/credvend"])
    check.that("one layer: the binary", len(inspected["RootFS"]["Layers"]) == 1)
    check.that(f"hardened: {cluster.hardening}", "static PIE" in cluster.hardening)
    check.equal("built again: the same image", cluster.build_image().removeprefix("sha256:"), inspected["Id"])
    labels = inspected["Config"]["Labels"]
    check.that(
        "labels name version, revision and licence",
        all(labels.get(f"org.opencontainers.image.{name}") for name in ("version", "revision", "licenses", "created")),
    )
