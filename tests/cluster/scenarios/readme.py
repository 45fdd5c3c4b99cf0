"""The first manifest of README.md, as a pod in a namespace without a Pod Security profile."""

import rendered
import yaml
from stage.story import SERVICE_ACCOUNT, wait_for_identity
from support.roles import ROLE_B

NAMESPACE = "readme"
INDEPENDENT = True


def run(cluster, check):
    cluster.kubectl("apply", "--filename", "-", document={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    try:
        account = {**SERVICE_ACCOUNT, "metadata": {"name": "checkout", "namespace": NAMESPACE}}
        cluster.kubectl("apply", "--filename", "-", document=account)
        cluster.kubectl("create", "--namespace", NAMESPACE, "--filename", "-", document=example())
        found = wait_for_identity(cluster, "readme", "application", NAMESPACE)
        check.that(f"the application has {ROLE_B}", found == ROLE_B, cluster.container_log("readme", "application", NAMESPACE))
    finally:
        cluster.delete_namespace(NAMESPACE)


def example():
    text = (rendered.ROOT / "README.md").read_text()
    document = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    # The example may omit what every pod has.
    return {"apiVersion": "v1", "kind": "Pod", **document, "metadata": {"name": "readme"}}
