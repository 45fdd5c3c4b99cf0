"""The manifest k8s/sidecar with moto, an independent implementation of STS."""

import rendered
from pod.application import identity
from support.roles import ROLE_B


def run(cluster, check):
    (_, _, spec), = rendered.workloads({"sidecar": rendered.documents(rendered.GOLDEN / "sidecar.yaml")})
    with cluster.manifest_pod("another-sts", spec, variables={"AWS_ENDPOINT_URL_STS": cluster.moto_url}) as pod:
        before = cluster.sts.exchanges()
        pod.start()
        check.equal("the AWS CLI has the last role of the chain", identity(pod.started["application"]), ROLE_B)
        check.equal("number of exchanges in local-sts", cluster.sts.exchanges(), before)
        check.that("moto received requests", "POST / " in cluster.moto.logs())
        pod.stop()
        check.equal("exit code of credvend", pod.started["credvend"].wait(), 0)
