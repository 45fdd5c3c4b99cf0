"""Deletes k8s/admission and applies it again: injection works as before, and follows changed parameters.

With `paramKind`, an API server up to 1.37 stops to watch ConfigMaps when the last binding that uses it is deleted, and refuses every
labelled pod from then on (kubernetes/kubernetes#130887). Only a restart helps, and no one can do that on a managed control plane.
"""

import json

from stage.cluster import pod
from stage.injection import METADATA, Injection
from support.checks import CheckFailed

# A failure leaves the API server in a state that a restart ends.
LAST = True


def run(cluster, check):
    try:
        with Injection(cluster) as injection:
            for number in (1, 2):
                injection.delete()
                injection.apply()
                try:
                    injection.wait(15)
                except CheckFailed as failure:
                    response = cluster.dry_run({**pod("dry-run"), "metadata": {"name": "dry-run", **METADATA}}, injection.namespace)
                    raise CheckFailed(f"after reinstallation {number}: {failure}: {response[-500:]}") from failure
                check.that(f"pods are injected after reinstallation {number}", True)
            response = cluster.dry_run({**pod("dry-run"), "metadata": {"name": "dry-run", **METADATA}}, injection.namespace)
            containers = json.loads(response)["spec"]["initContainers"]
            check.equal("number of sidecars in an injected pod", [container["name"] for container in containers], ["credvend"])
    except CheckFailed:
        restart_api_server(cluster)
        raise


def restart_api_server(cluster):
    server = cluster.daemons["apiserver"]
    # It waits up to a minute for its watches to end.
    server.stop(90)
    server.start()
    cluster.wait_for_api_server()
