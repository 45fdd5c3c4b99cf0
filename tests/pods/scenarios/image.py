"""The content of the image, and that its build is reproducible."""

import json


def run(cluster, check):
    inspected = json.loads(cluster.engine("image", "inspect", cluster.image))[0]
    check.equal("the user is numeric and not root", inspected["Config"]["User"], "65532:65532")
    check.equal("the entry point is credvend", inspected["Config"]["Entrypoint"], ["/credvend"])
    check.that("the image has one layer", len(inspected["RootFS"]["Layers"]) == 1)
    check.that(f"the binary is hardened: {cluster.hardening}", "static PIE" in cluster.hardening)
    check.equal("a second build gives the same image", cluster.build_image().removeprefix("sha256:"), inspected["Id"])
    labels = inspected["Config"]["Labels"]
    check.that(
        "the labels contain version, revision, license and creation time",
        all(labels.get(f"org.opencontainers.image.{name}") for name in ("version", "revision", "licenses", "created")),
    )
