"""EKS Pod Identity: the changes of its webhook to a pod, and the agent on the pod's node."""

from pod.server import PROGRAMS, Server

# The agent's address on every node.
AGENT = "169.254.170.23"
ROLE = "arn:aws:iam::111111111111:role/association-role"
TOKEN_DIRECTORY = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"


def webhook(spec):
    """Adds the token volume to all containers, and the agent's variables to containers that have none of them.

    https://github.com/aws/amazon-eks-pod-identity-webhook/blob/v0.6.17/pkg/handler/handler.go
    """
    token = {"audience": "pods.eks.amazonaws.com", "expirationSeconds": 86400, "path": "eks-pod-identity-token"}
    spec["volumes"].append({"name": "eks-pod-identity-token", "projected": {"sources": [{"serviceAccountToken": token}]}})
    added = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{AGENT}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{TOKEN_DIRECTORY}/eks-pod-identity-token",
    }
    for container in [*spec["initContainers"], *spec["containers"]]:
        mounts, env = container.setdefault("volumeMounts", []), container.setdefault("env", [])
        mounts.append({"name": "eks-pod-identity-token", "mountPath": TOKEN_DIRECTORY, "readOnly": True})
        if not {entry["name"] for entry in env} & added.keys():
            env += [{"name": name, "value": value} for name, value in added.items()]


def start_agent(cluster, pod):
    """Starts the agent for an association of this pod with `ROLE`."""
    agent = Server(
        cluster, f"{pod.name}-agent", "python3", "-B", "/agent.py", "0.0.0.0", ready="listening",
        files={"/agent.py": PROGRAMS / "pod_identity_agent.py"}, dns=pod.sts.dns,
        variables={
            # The keys of a user in world.json.
            "AWS_ACCESS_KEY_ID": "AKIALOCALSTSEKSAGENT",
            "AWS_SECRET_ACCESS_KEY": "local/sts+eks/agent+SECRET+not/a/real/ke",
            "AWS_DEFAULT_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": pod.sts.url, "ASSOCIATED_ROLE": ROLE,
        },
    )
    pod.run_in_network(
        "iptables", "--table", "nat", "--append", "OUTPUT", "--destination", AGENT, "--protocol", "tcp", "--dport", "80",
        "--jump", "DNAT", "--to-destination", f"{agent.address}:80",
    )
