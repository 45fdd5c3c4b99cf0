"""Jobs with an injected sidecar: the sidecar ends after the application, and the result of the Job is that of the application."""

from stage.injection import METADATA, ROLE, Injection
from stage.story import identities
from stage.waiting import wait_until

INDEPENDENT = True


def run(cluster, check):
    with Injection(cluster) as injection:
        for name, exit_code in [("succeeds", 0), ("fails", 3)]:
            cluster.kubectl("create", "--namespace", injection.namespace, "--filename", "-", document=job(name, exit_code))
        for name, exit_code in [("succeeds", 0), ("fails", 3)]:
            condition = "Complete" if exit_code == 0 else "Failed"
            wait_until(f"the Job {name} is {condition}", 90, lambda: condition in conditions(cluster, injection.namespace, name))
            (pod,) = cluster.pods(f"job-name={name}", injection.namespace)
            log = cluster.container_log(pod["metadata"]["name"], "application", injection.namespace)
            check.equal(f"{name}: role of the application", identities(log), [ROLE])
            codes = [
                status["state"]["terminated"]["exitCode"]
                for status in pod["status"]["containerStatuses"] + pod["status"]["initContainerStatuses"]
            ]
            check.equal(f"{name}: exit codes of application and credvend", codes, [exit_code, 0])


def conditions(cluster, namespace, name):
    found = cluster.get("job", name, "--namespace", namespace)["status"].get("conditions", [])
    return [condition["type"] for condition in found if condition["status"] == "True"]


def job(name, exit_code):
    environment = [{"name": "APPLICATION_EXIT_CODE", "value": str(exit_code)}]
    container = {"name": "application", "image": "registry.example/application:1.0.0", "env": environment}
    return {
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {"backoffLimit": 0, "template": {"metadata": METADATA, "spec": {"restartPolicy": "Never", "containers": [container]}}},
    }
