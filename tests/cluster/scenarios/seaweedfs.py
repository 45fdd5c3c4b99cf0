"""A story without a program of this repository except credvend: tokens of the cluster, the STS and the S3 of SeaweedFS, the AWS CLI.

SeaweedFS fetches the cluster's discovery document and keys, as AWS does. Its first build takes ten minutes.
"""

import json
import sys
from pathlib import Path

import rendered
import yaml
from stage.daemons import ISSUER, Daemon
from stage.namespaces import NODE_ADDRESS
from stage.story import NAMESPACE, STORY_SIDECAR, apply_namespace
from stage.waiting import wait_until

CLIENTS = Path(__file__).resolve().parents[2] / "clients"
sys.path[1:1] = [str(CLIENTS / "seaweedfs"), str(CLIENTS)]

import server
from matrix import install

LONG = True
URL = f"http://{NODE_ADDRESS}:8333"
COMMANDS = "set -e; {aws} s3 mb s3://orders; echo first | {aws} s3 cp - s3://orders/1; {aws} s3 ls s3://orders; {aws} s3 cp s3://orders/1 -"
# The issuer's documents are public on managed clusters.
DISCOVERY = {
    "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "issuer-discovery"},
    "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:service-account-issuer-discovery"},
    "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"}],
}


def program():
    """Returns the program, which is built at first use."""
    return install.installer("seaweedfs", [CLIENTS / "seaweedfs/server.py"], server.build)() / "weed"


def prepare():
    """Runs before the cluster is entered, because nothing inside reaches another network."""
    program()


def run(cluster, check):
    apply_namespace(cluster)
    cluster.apply(DISCOVERY)
    weed = start(cluster)
    try:
        before = len(cluster.sts_requests())
        cluster.kubectl("create", "--namespace", NAMESPACE, "--filename", "-", document=pod())
        wait_until("the application has ended", 120, lambda: ended(cluster))
        log = cluster.container_log("seaweedfs", "application")
        check.that("the AWS CLI creates a bucket, writes, lists and reads an object", log.endswith("first\n") and " 1\n" in log, log)
        output = cluster.container_log("seaweedfs", "credvend")
        check.that("credvend has credentials", "credentials obtained" in output, output)
        check.equal("requests to the local STS", len(cluster.sts_requests()) - before, 0)
    finally:
        cluster.kubectl("delete", "pod", "seaweedfs", "--namespace", NAMESPACE, "--ignore-not-found", "--grace-period=1")
        weed.stop()


def start(cluster):
    directory = cluster.directory("seaweedfs")
    configuration = directory / "iam.json"
    configuration.write_text(json.dumps(server.identities(ISSUER)))
    options = {
        "ip": NODE_ADDRESS, "dir": directory, "s3": "true", "s3.iam.config": configuration, "s3.port.iceberg": 0, "s3.port.lance": 0,
        "s3.localSocket": directory / "s3.sock", "filer.localSocket": directory / "filer.sock",
        "master.telemetry": "false", "volume.max": 2, "volume.preStopSeconds": 0,
        # Its default, 8080, is the port of the local STS.
        "volume.port": 8380,
    }
    weed = Daemon(cluster.state, "seaweedfs", [program(), "server", *(f"-{name}={value}" for name, value in options.items())])
    # It trusts the issuer's certificate, as AWS trusts those of public authorities.
    weed.start({"SSL_CERT_FILE": str(cluster.state / "keys/ca.crt")})

    def listens():
        weed.require_running()
        return "Start Seaweed S3 API Server" in weed.log.read_text(errors="replace")
    wait_until("SeaweedFS listens", 90, listens)
    return weed


def pod():
    """Returns the pod of k8s/sidecar with one role, and the AWS CLI as its application."""
    spec = next(found for found in map(rendered.pod_of, yaml.safe_load_all(STORY_SIDECAR.read_text())) if found)
    endpoint = {"name": "AWS_ENDPOINT_URL", "value": URL}
    (credvend,), (application,) = spec["initContainers"], spec["containers"]
    credvend["env"] = [variable for variable in credvend["env"] if variable["name"] not in ("AWS_ROLE_ARN", "CREDVEND_CHAIN_ROLE_ARNS")]
    credvend["env"] += [{"name": "AWS_ROLE_ARN", "value": server.ROLE}, {"name": "AWS_ENDPOINT_URL_STS", "value": URL}]
    application["command"] = ["sh", "-c", COMMANDS.format(aws="python3 -B -m awscli")]
    application["env"] += [endpoint]
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "seaweedfs", "labels": {"cluster.test/no-redirect": ""}},
        "spec": {**spec, "restartPolicy": "Never"},
    }


def ended(cluster):
    return cluster.get("pod", "seaweedfs", "--namespace", NAMESPACE)["status"]["phase"] in ("Succeeded", "Failed")
