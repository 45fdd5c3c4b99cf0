"""`export` writes an env file, and the kubelet sets its variables in a container that mounts nothing."""

import json

from pod.env_file import EnvFileError, value_of, value_of_1_34
from support.roles import SESSION_A

NAMES = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"]


def run(cluster, check):
    check.equal("the kubelet's parser takes values literally", value_of("B", "# c\n\n A='1'\nB='x\n$y'  # z\nB='2'\n"), "x\n$y")
    for text in ("A=1\n", "A ='1'\n", "A='1' 2\n", "A='1\n", "export A='1'\n", "A=''\n"):
        check.that(f"the kubelet's parser refuses {text!r}", is_refused(text))

    with cluster.pod("env") as pod:
        volume = pod.empty_dir("env")
        for name, format in [("init", "dotenv"), ("older", "docker")]:
            init = pod.credvend(
                "export", "--format", format, "--output", f"/env/{format}.env", name=name, mounts={"/env": volume}
            )
            init.expect_success()
        # The kubelet runs as root, so it can read a file with mode 0600 of any user.
        for name, format, version, parse in [
            ("app", "dotenv", "Kubernetes 1.35", value_of), ("older-app", "docker", "Kubernetes 1.34", value_of_1_34),
        ]:
            text = (volume / f"{format}.env").read_text()
            values = {variable: parse(variable, text) for variable in NAMES}
            cluster.secrets.add("SecretAccessKey", values["AWS_SECRET_ACCESS_KEY"])
            cluster.secrets.add("SessionToken", values["AWS_SESSION_TOKEN"])
            check_identity(pod, check, name, version, values)


def check_identity(pod, check, name, version, values):
    """Runs the AWS CLI with these variables and without volumes."""
    variables = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": None, **values}
    application = pod.client(name, "aws", "sts", "get-caller-identity", variables=variables)
    arn = json.loads(application.expect_success())["Arn"]
    check.that(f"the AWS CLI has the role with the variables as {version} reads them", arn.startswith(SESSION_A), arn)


def is_refused(text):
    try:
        value_of("A", text)
    except EnvFileError:
        return True
    return False
