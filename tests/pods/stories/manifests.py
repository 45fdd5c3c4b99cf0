"""Every manifest of k8s/, as it is rendered, and that of README.md as a pod: its application works as the role it is promised."""

import signal

import rendered
import yaml
from pod import pod_identity
from pod.application import identities, identity
from pod.cluster import ROLE_A, ROLE_B
from pod.manual import told
from support.checks import CheckFailed

# Whom each application container works as, where it is not role B; None: nobody.
EXPECTED = {
    ("several-roles", "orders"): ROLE_A,
    ("beside-pod-identity", "orders"): pod_identity.ROLE,
    ("component-examples-daemonset", "application"): ROLE_A,
    # kustomize cannot give variables to init containers that only some workloads have.
    ("component-examples-deployment", "migrate"): None,
}
# The modes of what is shared, where it is not for the group alone: the kubelet, who reads env files, is root, and a program is for all.
MODES = {"aws.env": 0o600, "credvend": 0o755}
# Something to copy in the one, nothing in the other.
MAKE_BUCKETS = """
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
    stories = {name: rendered.documents(rendered.GOLDEN / f"{name}.yaml") for name in rendered.folders()}
    stories["README.md"] = [readme()]
    for name, _, spec in rendered.workloads(stories):
        config_maps = {d["metadata"]["name"]: d["data"] for d in stories[name] if d["kind"] == "ConfigMap"}
        try:
            Story(cluster, check, name, spec, config_maps).run()
        except CheckFailed as failure:
            # The others still run.
            check.fail(f"{name}: {failure}")


def readme():
    """The example of README.md, which leaves out what is the application's own."""
    text = (rendered.ROOT / "README.md").read_text()
    pod = yaml.safe_load(text.partition("```yaml\n")[2].partition("```")[0])
    pod["spec"]["containers"][0]["image"] = "registry.example/application:1.0.0"
    return {"kind": "Pod", "metadata": {"name": "readme"}, **pod}


class Story:
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
                self.cluster.moto.says("python3", "-B", "-c", MAKE_BUCKETS)
            pod.start()
            for container in rendered.containers_of(pod.spec):
                if not rendered.is_credvend(container):
                    self.application(container)
            self.shared_files()
            for container in self.credvends:
                if pod.started[container["name"]].running():
                    self.neighbours(container)
                    self.examined(container)
                    self.authorization(container)
            if self.name == "sidecar":
                self.manual()
            if any(container in pod.spec["containers"] for container in self.credvends):
                self.ends_together()
            else:
                self.ends_in_order()

    def that(self, what, *rest):
        self.check.that(f"{self.name}: {what}", *rest)

    def equal(self, what, *rest):
        self.check.equal(f"{self.name}: {what}", *rest)

    def expected(self, container):
        return EXPECTED.get((self.name, container["name"]), ROLE_B)

    def application(self, container):
        name, role = container["name"], self.expected(container)
        running = self.pod.started[name]
        if "/aws-cli:" in container["image"]:
            self.that(f"{name} copies from bucket to bucket", "copy: s3://example-input/order" in running.must_end_well())
        else:
            found = identity(running)
            self.that(f"{name} works as {role or 'nobody'}", found == role, f"{found}: {running.logs()[-800:]}")
        variables = self.pod.variables(container)
        ways = [
            *{"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_SHARED_CREDENTIALS_FILE", "AWS_ACCESS_KEY_ID"} & variables.keys(),
            *(word for word in container.get("command", []) if word.endswith("/credvend")),
        ]
        self.that(f"{name} has credentials by one way", len(ways) == (0 if role is None else 1), ways)

    def shared_files(self):
        """What credvend wrote for other users is its group's to read, and nobody else's."""
        for volume in self.pod.spec.get("volumes", []):
            if "emptyDir" in volume:
                for file in self.pod.volume(volume["name"]).glob("[!.]*"):
                    self.equal(f"mode of {file.name}", oct(file.stat().st_mode & 0o777), oct(MODES.get(file.name, 0o640)))

    def neighbours(self, credvend):
        """What another pod finds: metrics where the manifest opens a port for them, and never credentials."""
        if any(port["containerPort"] == 9912 for port in credvend.get("ports", [])):
            metrics = self.from_elsewhere(9912, "/metrics")
            self.that("Prometheus finds metrics at the pod's address", "credvend_profile_ready{" in metrics, metrics[:300])
            self.that("and no credentials", "SecretAccessKey" not in self.from_elsewhere(9912, "/v1/credentials"))
        self.equal("the endpoint is not there for other pods", self.from_elsewhere(9911, "/v1/credentials"), "")

    def examined(self, credvend):
        """`check` by exec, bare; or as the manifest's comment spells it out, with what `run` has by arguments."""
        _, _, *options = [*credvend.get("command", ["/credvend"]), *credvend.get("args", [])]
        command = ["/credvend", "check", *options]
        if options:
            comments = "".join(file.read_text() for file in rendered.folders()[self.name].glob("*.yaml"))
            self.that(f"its comment says `{' '.join(command)}`", " ".join(command) in comments)
        said = self.pod.started[credvend["name"]].says(*command)
        self.that("`check` in the container finds nothing wrong", "ok    hop" in said and "fail  " not in said, said)

    def from_elsewhere(self, port, path):
        url = f"http://{self.pod.address}:{port}{path}"
        return self.cluster.moto.in_network("sh", "-c", f"curl --silent --max-time 2 {url} || true")

    def authorization(self, credvend):
        """A container's credentials are there for its own authorization token alone."""
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
            self.equal(f"{path} without a token", status, 401)
            told(self.check, document, "the authorization token is missing or wrong")
            for other, token in tokens.items():
                status, document = running.credentials(path, token)
                self.cluster.secrets.add_credentials(document)
                self.equal(f"{path} with the token of {other}", status, 200 if other == path else 401)

    def manual(self):
        """What the manual has people ask a new pod."""
        for command, words in [("check", "ok    hop 2"), ("status", "default  ready")]:
            told(self.check, f"-c credvend -- /credvend {command}", f"-- /credvend {command}")
            said = self.pod.started["credvend"].says("/credvend", command)
            self.that(f"`credvend {command}` in the container says {words!r}", words in said, said)

    def ends_in_order(self):
        """Jobs end by themselves, servers at SIGTERM; then the sidecars."""
        pod = self.pod
        serves = pod.spec.get("restartPolicy", "Always") == "Always"
        if not serves:
            for name in pod.applications:
                self.equal(f"{name} ends with 0", pod.started[name].end(), 0)
        for name, took in zip(reversed(pod.sidecars), pod.stop()):
            self.equal(f"{name} ends with 0 after the application", pod.started[name].end(), 0)
            self.that(f"{name} takes less than two seconds for it", took < 2, f"{took:.2f} s")
        if serves:
            self.worked_to_the_end()

    def ends_together(self):
        """A classic sidecar: SIGTERM to all at once, and credentials until the application has ended."""
        pod = self.pod
        for name in pod.applications:
            pod.started[name].signal("TERM")
        self.worked_to_the_end()
        for container in self.credvends:
            credvend = pod.started[container["name"]]
            self.that("credvend serves on while the application ends", credvend.running())
            credvend.signal("TERM")
            self.equal("and ends at once when asked again", credvend.end(5), 128 + signal.SIGTERM)

    def worked_to_the_end(self):
        for container in self.applications:
            running, role = self.pod.started[container["name"]], self.expected(container)
            running.must_end_well()
            self.equal(f"{container['name']} works as {role} to its end", identities(running), [role, role])
