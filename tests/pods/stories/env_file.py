"""`export` writes an env file, the kubelet reads it, and a container that knows nothing has variables."""

import json

from pod.cluster import SESSION_A
from pod.env_file import EnvFileError, value_of, value_of_1_34

NAMES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"]


def run(cluster, check):
    check.equal("the parser reads literally", value_of("B", "# c\n\n A='1'\nB='x\n$y'  # z\nB='2'\n"), "x\n$y")
    for text in ("A=1\n", "A ='1'\n", "A='1' 2\n", "A='1\n", "export A='1'\n", "A=''\n"):
        check.that(f"and refuses {text!r}", refused(text))

    with cluster.pod("env") as pod:
        volume = pod.empty_dir("env")
        for name, format in [("init", "dotenv"), ("older", "docker")]:
            init = pod.credvend(
                "export", "--format", format, "--output", f"/env/{format}.env", name=name, mounts={"/env": volume}
            )
            init.must_end_well()
        # The kubelet is root: 0600 of any user will do.
        text = (volume / "dotenv.env").read_text()
        values = {name: value_of(name, text) for name in NAMES}
        cluster.secrets.add("SecretAccessKey", values["AWS_SECRET_ACCESS_KEY"])
        cluster.secrets.add("SessionToken", values["AWS_SESSION_TOKEN"])
        identify(pod, check, "app", "Kubernetes 1.35", values)

        text = (volume / "docker.env").read_text()
        values = {name: value_of_1_34(name, text) for name in NAMES}
        cluster.secrets.add("SecretAccessKey", values["AWS_SECRET_ACCESS_KEY"])
        cluster.secrets.add("SessionToken", values["AWS_SESSION_TOKEN"])
        identify(pod, check, "older-app", "Kubernetes 1.34", values)


def identify(pod, check, name, version, values):
    """The application mounts nothing."""
    variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": None, **values}
    application = pod.client(name, "aws", "sts", "get-caller-identity", variables=variables)
    arn = json.loads(application.must_end_well())["Arn"]
    check.that(f"the AWS CLI has the role by variables, as {version} reads them", arn.startswith(SESSION_A), arn)


def refused(text):
    try:
        value_of("A", text)
    except EnvFileError:
        return True
    return False
