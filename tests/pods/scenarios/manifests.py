"""Every rendered manifest in k8s/, and the manifest in README.md, as a pod: its application has the expected role."""

import signal

import rendered
import yaml
from pod import pod_identity
from pod.application import identities, identity
from pod.manual import check_message
from support.checks import CheckFailed
from support.roles import ROLE_A, ROLE_B

# The role of each application container, if it is not role B; None if the container has no credentials.
EXPECTED = {
    ("several-roles", "orders"): ROLE_A,
    ("beside-pod-identity", "orders"): pod_identity.ROLE,
    ("component-examples-daemonset", "application"): ROLE_A,
    # kustomize cannot add variables to init containers that only some workloads have.
    ("component-examples-deployment", "migrate"): None,
}
# The modes of shared files that are not for the fsGroup: the kubelet reads env files as root, and all users run the program.
MODES = {"aws.env": 0o600, "credvend": 0o755}
# Creates an object to copy in the first bucket, and removes it from the second.
CREATE_BUCKETS = """
import boto3
s3 = boto3.client(
    "s3", endpoint_url="http://127.0.0.1:5000", region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
)
for bucket in ("example-input", "example-output"):
    s3.create_bucket(Bucket=bucket)
s3.put_object(Bucket="example-input", Key="order", Body=b"1")
s3.delete_object(Bucket="example-output", Key="order")
"""


def run(cluster, check):
    manifests = {name: rendered.documents(rendered.GOLDEN / f"{name}.yaml") for name in rendered.folders()}
    manifests["README.md"] = [readme()]
    for name, _, spec in rendered.workloads(manifests):
        config_maps = {d["metadata"]["name"]: d["data"] for d in manifests[name] if d["kind"] == "ConfigMap"}
        try:
            Workload(cluster, check, name, spec, config_maps).run()
        except CheckFailed as failure:
            # Continue with the other workloads.
            check.fail(f"{name}: {failure}")


def readme():
    """Returns the example in README.md with an image for its application, which the example omits."""
    text = (rendered.ROOT / "README.md").read_text()
    pod = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    pod["spec"]["containers"][0]["image"] = "registry.example/application:1.0.0"
    return {"kind": "Pod", "metadata": {"name": "readme"}, **pod}


class Workload:
    def __init__(self, cluster, check, name, spec, config_maps):
        self.cluster, self.check, self.name = cluster, check, name
        if name == "beside-pod-identity":
            pod_identity.webhook(spec)
        self.pod = cluster.manifest_pod(name, spec, config_maps=config_maps, variables={"AWS_ENDPOINT_URL_S3": cluster.moto_url})
        self.credvends = [container for container in rendered.containers_of(spec) if rendered.is_credvend(container)]
        self.applications = [container for container in spec["containers"] if not rendered.is_credvend(container)]

    def run(self):
        with self.pod as pod:
            if self.name == "beside-pod-identity":
                pod_identity.start_agent(self.cluster, pod)
            if any("/aws-cli:" in container["image"] for container in self.applications):
                self.cluster.moto.exec_output("python3", "-B", "-c", CREATE_BUCKETS)
            pod.start()
            for container in rendered.containers_of(pod.spec):
                if not rendered.is_credvend(container):
                    self.check_application(container)
            self.check_shared_files()
            for container in self.credvends:
                if pod.started[container["name"]].is_running():
                    self.check_access_from_other_pods(container)
                    self.check_command(container)
                    self.check_authorization(container)
            if self.name == "sidecar":
                self.check_manual()
            if any(container in pod.spec["containers"] for container in self.credvends):
                self.check_simultaneous_termination()
            else:
                self.check_ordered_termination()

    def that(self, description, *arguments):
        self.check.that(f"{self.name}: {description}", *arguments)

    def equal(self, description, *arguments):
        self.check.equal(f"{self.name}: {description}", *arguments)

    def expected_role(self, container):
        return EXPECTED.get((self.name, container["name"]), ROLE_B)

    def check_application(self, container):
        name, role = container["name"], self.expected_role(container)
        running = self.pod.started[name]
        if "/aws-cli:" in container["image"]:
            self.that(f"{name} copies between buckets", "copy: s3://example-input/order" in running.expect_success())
        else:
            found = identity(running)
            self.that(f"{name} has {role or 'no role'}", found == role, f"{found}: {running.logs()[-800:]}")
        variables = self.pod.variables(container)
        sources = [
            *{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ACCESS_KEY_ID"} & variables.keys(),
            *(word for word in container.get("command", []) if word.endswith("/credvend")),
        ]
        expected = 0 if role is None else 1
        self.that(f"number of credential sources of {name} is {expected}", len(sources) == expected, sources)

    def check_shared_files(self):
        """Only the fsGroup can read the files that credvend shares with other users."""
        for volume in self.pod.spec.get("volumes", []):
            if "emptyDir" in volume:
                for file in self.pod.volume(volume["name"]).glob("[!.]*"):
                    self.equal(f"mode of {file.name}", oct(file.stat().st_mode & 0o777), oct(MODES.get(file.name, 0o640)))

    def check_access_from_other_pods(self, credvend):
        """Other pods can read metrics if the manifest has a port for them, and never credentials."""
        if any(port["containerPort"] == 9912 for port in credvend.get("ports", [])):
            metrics = self.from_another_pod(9912, "/metrics")
            self.that("metrics are available at the pod's address", "credvend_profile_ready{" in metrics, metrics[:300])
            body = self.from_another_pod(9912, "/v1/credentials")
            self.that("the metrics port does not serve credentials", "SecretAccessKey" not in body)
        self.equal("response of the endpoint to other pods", self.from_another_pod(9911, "/v1/credentials"), "")

    def check_command(self, credvend):
        """Runs `credvend check` in the container, with the arguments of `run`, as a comment in the manifest shows."""
        _, _, *options = [*credvend.get("command", ["/credvend"]), *credvend.get("args", [])]
        command = ["/credvend", "check", *options]
        if options:
            comments = "".join(file.read_text() for file in rendered.folders()[self.name].glob("*.yaml"))
            self.that(f"a comment contains `{' '.join(command)}`", " ".join(command) in comments)
        output = self.pod.started[credvend["name"]].exec_output(*command)
        self.that("`check` in the container succeeds", "ok    hop" in output and "fail  " not in output, output)

    def from_another_pod(self, port, path):
        """Returns the body of a response to a request from outside the pod; empty without a response."""
        url = f"http://{self.pod.address}:{port}{path}"
        return self.cluster.moto.run_in_network("sh", "-c", f"curl --silent --max-time 2 {url} || true")

    def check_authorization(self, credvend):
        """A container's credentials are available only with its own authorization token."""
        tokens = {}
        for container in self.applications:
            variables = self.pod.variables(container)
            address, _, path = variables.get("AWS_CONTAINER_CREDENTIALS_FULL_URI", "").partition(":9911")
            file = variables.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
            if address == "http://127.0.0.1" and file:
                tokens[path] = self.pod.file_of(container, file).read_text()
        running = self.pod.started[credvend["name"]]
        for path, own in tokens.items():
            self.cluster.secrets.add("authorization token", own)
            status, document = running.credentials(path)
            self.equal(f"status of {path} without a token", status, 401)
            check_message(self.check, document, "the authorization token is missing or wrong")
            for other, token in tokens.items():
                status, document = running.credentials(path, token)
                self.cluster.secrets.add_credentials(document)
                self.equal(f"status of {path} with the token of {other}", status, 200 if other == path else 401)

    def check_manual(self):
        """Runs the commands that the manual recommends for a new pod."""
        for command, text in [("check", "ok    hop 2"), ("status", "default  ready")]:
            check_message(self.check, f"-c credvend -- /credvend {command}", f"-- /credvend {command}")
            output = self.pod.started["credvend"].exec_output("/credvend", command)
            self.that(f"the output of `credvend {command}` in the container contains {text!r}", text in output, output)

    def check_ordered_termination(self):
        """Jobs exit by themselves and servers on SIGTERM; then the sidecars exit."""
        pod = self.pod
        serves = pod.spec.get("restartPolicy", "Always") == "Always"
        if not serves:
            for name in pod.applications:
                self.equal(f"exit code of {name}", pod.started[name].wait(), 0)
        for name, took in zip(reversed(pod.sidecars), pod.stop()):
            self.equal(f"exit code of {name} after the application", pod.started[name].wait(), 0)
            self.that(f"{name} exits within 2 s", took < 2, f"{took:.2f} s")
        if serves:
            self.check_role_until_exit()

    def check_simultaneous_termination(self):
        """Without native sidecars, all containers get SIGTERM at once; credvend serves until the application has exited."""
        pod = self.pod
        for name in pod.applications:
            pod.started[name].signal("TERM")
        self.check_role_until_exit()
        for container in self.credvends:
            credvend = pod.started[container["name"]]
            self.that("credvend runs until the application has exited", credvend.is_running())
            credvend.signal("TERM")
            self.equal("exit code of credvend on a second SIGTERM", credvend.wait(5), 128 + signal.SIGTERM)

    def check_role_until_exit(self):
        for container in self.applications:
            running, role = self.pod.started[container["name"]], self.expected_role(container)
            running.expect_success()
            self.equal(f"role of {container['name']} at its start and exit", identities(running), [role, role])
