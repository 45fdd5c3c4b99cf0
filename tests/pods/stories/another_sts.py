"""The sidecar's manifest against somebody else's STS: moto, in a container of its own."""

import rendered
from pod.application import identity
from pod.cluster import ROLE_B


def run(cluster, check):
    (_, _, spec), = rendered.workloads({"sidecar": rendered.documents(rendered.GOLDEN / "sidecar.yaml")})
    with cluster.manifest_pod("another-sts", spec, variables={"AWS_ENDPOINT_URL_STS": cluster.moto_url}) as pod:
        before = cluster.sts.exchanges()
        pod.start()
        check.equal("the AWS CLI has the chain's last role from moto", identity(pod.started["application"]), ROLE_B)
        check.equal("and local-sts was not asked", cluster.sts.exchanges(), before)
        check.that("moto was", "POST / " in cluster.moto.logs())
        pod.stop()
        check.equal("credvend ends with 0", pod.started["credvend"].end(), 0)
