"""What every story is handed: images, a network, the STS, a scratch directory, and what must stay secret."""

import itertools
import os
import shutil
import subprocess
from pathlib import Path

from pod.engine import Engine
from pod.manifest_pod import ManifestPod
from pod.pod import Pod
from pod.server import Server
from pod.sts import Sts
from support.checks import CheckFailed
from support.secrets import Secrets

ROLE_A = "arn:aws:iam::111111111111:role/account-a-role"
ROLE_B = "arn:aws:iam::222222222222:role/account-b-role"
SESSION_A = "arn:aws:sts::111111111111:assumed-role/account-a-role/"
SESSION_B = "arn:aws:sts::222222222222:assumed-role/account-b-role/"

STS_IMAGE = """\
FROM scratch
COPY local-sts /local-sts
ENTRYPOINT ["/local-sts"]
"""


class Cluster:
    # A pod's fsGroup: nobody's primary group, so that only having it opens what it owns.
    group = 2000
    # An application's user: not credvend's.
    application = "1000:1000"
    # What the service account is annotated with.
    role = ROLE_A

    def __init__(self, credvend, local_sts, scratch, clients):
        self.credvend = credvend
        self.local_sts = local_sts
        self.scratch = scratch
        self.clients = clients
        self.engine = Engine(scratch / "podman")
        self.secrets = Secrets()
        self.network = "credvend-pods"
        self.image = "localhost/credvend:test"
        self.sts_image = "localhost/local-sts:test"
        self.logs = self.directory("logs")
        self._numbers = itertools.count(1)

    def __enter__(self):
        self.build_image()
        context = self.directory("sts-image")
        shutil.copy2(self.local_sts, context / "local-sts")
        (context / "Containerfile").write_text(STS_IMAGE)
        self.engine("build", "--quiet", "--tag", self.sts_image, context)
        self.engine("network", "create", self.network)
        # Somebody else's STS and S3.
        self.moto = Server(
            self, "moto", "python3", "-B", "-m", "moto.server", "-H", "0.0.0.0", "-p", "5000", ready="Running on",
        )
        # By its address: it takes the first part of a name for a bucket.
        self.moto_url = f"http://{self.moto.address}:5000"
        self.sts = Sts(self, "sts")
        return self

    def __exit__(self, *_):
        """`run` removes what is left, also where this process was killed."""

    def build_image(self):
        """By the script that releases use; its ID."""
        script = Path(__file__).resolve().parents[3] / "images" / "build"
        done = subprocess.run(
            [script, "--tag", self.image, "--binary", self.credvend],
            env={**os.environ, "CONTAINER_ENGINE": str(self.engine.program)},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        )
        if done.returncode != 0:
            raise CheckFailed(f"images/build: {done.returncode}: {done.stderr[-800:]}")
        self.hardening = done.stderr.strip()
        return done.stdout.strip()

    def directory(self, name):
        directory = self.scratch / name
        directory.mkdir()
        return directory

    def number(self):
        return next(self._numbers)

    def restricted(self):
        """What the restricted Pod Security profile asks of every container, and a root file system nobody can write."""
        return [
            "--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges",
        ]

    def pod(self, name, **more):
        return Pod(self, name, **more)

    def manifest_pod(self, name, spec, **more):
        return ManifestPod(self, name, spec, **more)
