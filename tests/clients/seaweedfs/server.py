"""SeaweedFS: a store with S3 and STS, in one process."""

import base64
import json
import os
import shutil
from pathlib import Path

from matrix import install
from support.processes import BackgroundProcess
from support.waiting import wait_until

MODULE = "github.com/seaweedfs/seaweedfs@v0.0.0-20261109003541-7506e5f91cd6"
SUM = "h1:LOYZFToHq9F7pSR6lkPGfkM8RmHlVFrzndKdhmNZjrU="
URL = "http://127.0.0.1:8333"

# SeaweedFS accepts role ARNs with and without an account.
ROLE = "arn:aws:iam::111111111111:role/reader"
ROLE_WITHOUT_ACCOUNT = "arn:aws:iam::role/writer"
NOT_TRUSTED_ROLE = "arn:aws:iam::111111111111:role/other"
SUBJECT = "system:serviceaccount:shop:checkout"


def build(place):
    """Builds the program. The module has a `replace`, so it cannot be installed by name; its own go.sum pins the dependencies."""
    module = json.loads(install.run(["go", "mod", "download", "-json", MODULE], cwd="/"))
    if module["Sum"] != SUM:
        raise install.NotAvailable(f"{MODULE} has the sum {module['Sum']}")
    place.mkdir(parents=True)
    source = place / "source"
    # Files of the module cache are read-only.
    shutil.copytree(module["Dir"], source, copy_function=shutil.copyfile)
    env = {**os.environ, "CGO_ENABLED": "0"}
    install.run(["nice", "go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", place / "weed", "./weed"], cwd=source, env=env)
    shutil.rmtree(source)


class SeaweedFs(BackgroundProcess):
    """The store listens at its own ports, so it needs a network namespace."""

    def __init__(self, context, program, issuer):
        directory = context.directory("seaweedfs")
        configuration = directory / "iam.json"
        configuration.write_text(json.dumps(identities(issuer)))
        options = {
            "ip": "127.0.0.1", "dir": directory, "s3": "true", "s3.iam.config": configuration, "s3.port.iceberg": 0, "s3.port.lance": 0,
            "s3.localSocket": directory / "s3.sock", "filer.localSocket": directory / "filer.sock",
            "master.telemetry": "false", "volume.max": 2, "volume.preStopSeconds": 0,
        }
        command = [program, "server", *(f"-{name}={value}" for name, value in options.items())]
        super().__init__(context, "seaweedfs", command, context.environment())

    def __enter__(self):
        wait_until("SeaweedFS listens", 60, lambda: "Start Seaweed S3 API Server" in self.output() or not self.is_running())
        return self

    def __exit__(self, *error):
        super().__exit__(*error)
        # The only file that it writes elsewhere.
        Path("/tmp/seaweedfs-master-grpc-19333.sock").unlink(missing_ok=True)


def identities(issuer):
    """Returns the providers, roles and policies. Trust policies name a provider by its name in this file."""
    return {
        "sts": {
            "issuer": "seaweedfs", "signingKey": base64.b64encode(b"0" * 32).decode(), "tokenDuration": "1h", "maxSessionLength": "12h",
        },
        "policy": {"defaultEffect": "Deny", "storeType": "memory"},
        "providers": [{
            "name": "cluster", "type": "oidc", "enabled": True, "config": {"issuer": issuer, "clientId": "sts.amazonaws.com"},
        }],
        "policies": [{"name": "all", "document": document("Allow", Action=["s3:*", "sts:*"], Resource=["*"])}],
        "roles": [
            role(ROLE, SUBJECT),
            role(ROLE_WITHOUT_ACCOUNT, SUBJECT),
            role(NOT_TRUSTED_ROLE, "system:serviceaccount:shop:other"),
        ],
    }


def role(arn, subject):
    trust = document(
        "Allow", Principal={"Federated": "cluster"}, Action=["sts:AssumeRoleWithWebIdentity"],
        Condition={"StringEquals": {"oidc:sub": subject}},
    )
    return {"roleName": arn.rpartition("/")[2], "roleArn": arn, "trustPolicy": trust, "attachedPolicies": ["all"]}


def document(effect, **statement):
    return {"Version": "2012-10-17", "Statement": [{"Effect": effect, **statement}]}
