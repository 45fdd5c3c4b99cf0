"""EKS Pod Identity: what its webhook does to a pod, as an admission policy, and the agent on the node."""

import contextlib
import os
import sys
from pathlib import Path

from stage.cluster import STS_PORT
from stage.daemons import Daemon
from stage.waiting import wait_until

HERE = Path(__file__).resolve().parent.parent
# The agent's address on every node.
AGENT = "169.254.170.23"
ROLE = "arn:aws:iam::111111111111:role/association-role"


@contextlib.contextmanager
def installed(cluster):
    """A context: starts the agent for an association of every pod with `ROLE`, and injects its variables and token."""
    agent = Daemon(cluster.state, "pod-identity-agent", [sys.executable, "-B", HERE / "programs/pod_identity_agent.py", AGENT])
    if agent.pid() is None:
        os.system(f"ip address add {AGENT}/32 dev lo")
        agent.start({
            # The keys of a user in world.json.
            "AWS_ACCESS_KEY_ID": "AKIALOCALSTSEKSAGENT",
            "AWS_SECRET_ACCESS_KEY": "local/sts+eks/agent+SECRET+not/a/real/ke",
            "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{STS_PORT}", "ASSOCIATED_ROLE": ROLE,
        })
        wait_until("the agent listens", 30, lambda: "listening" in agent.tail())
    cluster.kubectl("apply", "--filename", HERE / "pod-identity.yaml")
    cluster.wait_for_policy({"metadata": {"labels": {"app.kubernetes.io/name": "checkout-pod-identity"}}}, "eks-pod-identity-token")
    yield
