"""The context of all scenarios: images, a network, STS, a scratch directory and the known secrets."""

import os
import shutil
from pathlib import Path

from pod.engine import Engine
from pod.pod import Pod
from pod.sts import Sts
from support.commands import run_command, stdout_of
from support.context import SuiteContext
from support.roles import ROLE_A

STS_IMAGE = """\
FROM scratch
COPY local-sts /local-sts
ENTRYPOINT ["/local-sts"]
"""


class Cluster(SuiteContext):
    # A pod's fsGroup. It is no user's primary group, so that only the fsGroup gives access to the volumes.
    group = 2000
    # The user of applications, which differs from credvend's.
    application = "1000:1000"
    # The role in the service account's annotation.
    role = ROLE_A

    def __init__(self, credvend, local_sts, scratch, python_root):
        super().__init__(scratch)
        self.credvend = credvend
        self.local_sts = local_sts
        # The root file system of containers that are not credvend.
        self.python_root = python_root
        self.engine = Engine(scratch / "podman")
        self.network = "credvend-pods"
        self.image = "localhost/credvend:test"
        self.sts_image = "localhost/local-sts:test"

    def __enter__(self):
        self.build_image()
        context = self.directory("sts-image")
        shutil.copy2(self.local_sts, context / "local-sts")
        (context / "Containerfile").write_text(STS_IMAGE)
        self.engine("build", "--quiet", "--tag", self.sts_image, context)
        self.engine("network", "create", self.network)
        self.sts = Sts(self, "sts")
        return self

    def __exit__(self, *_):
        """Does nothing: the script `run` removes all containers, also if this process is killed."""

    def build_image(self):
        """Builds the image with the script that releases use, and returns its ID."""
        script = Path(__file__).resolve().parents[3] / "images" / "build"
        completed = run_command(
            [script, "--tag", self.image, "--binary", self.credvend], 120,
            env={**os.environ, "CONTAINER_ENGINE": str(self.engine.program)},
        )
        image_id = stdout_of(completed).strip()
        self.hardening = completed.stderr.strip()
        return image_id

    def restricted(self):
        """Returns podman options for the restricted Pod Security profile and a read-only root file system."""
        return [
            "--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges",
        ]

    def pod(self, name, **options):
        return Pod(self, name, **options)
