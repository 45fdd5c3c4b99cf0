"""Each pod's containers, with its arguments, variables and mounts, by the real binary against a local STS.

No cluster and no container: every volume is a directory, and what a container calls by its mount path is called by that. So a
misspelt flag, a mount that is missing, a path that two containers spell differently, or a token that the wrong one can read comes
out here. Isolation and the kubelet's own behaviour do not.
"""

import configparser
import json
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import traceback
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rendered import is_credvend, workloads

ROLE_A = "arn:aws:iam::111111111111:role/account-a-role"
ROLE_B = "arn:aws:iam::222222222222:role/account-b-role"
# What each application container works as, where it is not role B; None: not vended.
EXPECTED = {
    ("several-roles", "orders"): ROLE_A,
    ("beside-pod-identity", "orders"): None,
    ("component-examples-daemonset", "application"): ROLE_A,
}
DEADLINE = 20
KEYS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]


def check(checks, stories, credvend, local_sts):
    with tempfile.TemporaryDirectory(prefix="manifests-") as scratch:
        scratch = Path(scratch)
        sts = subprocess.Popen(
            [local_sts, "--token-dir", scratch / "token", "--url-file", scratch / "url"], stdout=subprocess.DEVNULL
        )
        try:
            until(lambda: (scratch / "url").exists() and (scratch / "token/token").exists(), "the local STS is up")
            url = (scratch / "url").read_text()
            with ThreadPoolExecutor(4) as pool:
                jobs = []
                for number, (name, document, pod) in enumerate(workloads(stories)):
                    configs = {d["metadata"]["name"]: d["data"] for d in stories[name] if d["kind"] == "ConfigMap"}
                    rig = Rig(checks, name, pod, configs, scratch / str(number), scratch / "token/token", url, credvend)
                    jobs.append(pool.submit(rig.run))
                for job in jobs:
                    job.result()
        finally:
            sts.terminate()
            sts.wait()


class Wrong(Exception):
    """The story cannot go on."""


def until(holds, what, process=None):
    deadline = time.monotonic() + DEADLINE
    while not holds():
        if process is not None and process.poll() is not None:
            raise Wrong(f"{what}: the process ended with {process.returncode}")
        if time.monotonic() > deadline:
            raise Wrong(f"{what}: not within {DEADLINE} s")
        time.sleep(0.05)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Rig:
    """One pod."""

    def __init__(self, checks, name, pod, configs, home, token, url, credvend):
        self.checks, self.name, self.pod, self.configs = checks, name, pod, configs
        self.home, self.token, self.url, self.credvend = home, token, url, str(credvend)
        self.ports = {"9911": free_port(), "9912": free_port()}
        self.sidecars = []

    def run(self):
        try:
            for volume in self.pod.get("volumes", []):
                self.lay_out(volume)
            for container in self.pod.get("initContainers", []):
                if is_credvend(container):
                    self.start(container, stays=container.get("restartPolicy") == "Always")
            for container in self.pod["containers"]:
                if is_credvend(container):
                    self.start(container, stays=True)
            for container in self.pod["containers"]:
                if not is_credvend(container):
                    self.apply(container)
            self.end()
        except Wrong as wrong:
            self.that(False, "the pod works", str(wrong))
        except Exception:
            # The other pods are still to be heard of.
            self.that(False, "the pod can be examined", traceback.format_exc())
        finally:
            for container, process, log in self.sidecars:
                process.kill()
                process.wait()
                log.close()

    def that(self, holds, what, why=""):
        return self.checks.that(holds, f"{self.name}: {what}", why)

    # --- volumes

    def lay_out(self, volume):
        place = self.home / "volumes" / volume["name"]
        place.mkdir(parents=True)
        for source in volume.get("projected", {}).get("sources", []):
            (place / source["serviceAccountToken"]["path"]).symlink_to(self.token)
        if "configMap" in volume:
            for key, text in self.configs[volume["configMap"]["name"]].items():
                (place / key).write_text(text)

    def mounts(self, container):
        """Mount path → directory or file here, longest first."""
        found = {}
        for mount in container.get("volumeMounts", []):
            place = self.home / "volumes" / mount["name"]
            if not place.is_dir():
                raise Wrong(f"{container['name']} mounts {mount['name']}, which is not a volume of the pod")
            found[mount["mountPath"]] = place / mount.get("subPath", "")
        return dict(sorted(found.items(), key=lambda item: -len(item[0])))

    def here(self, container, text):
        """A text that names paths and ports of the pod, as they are here. A path that is not mounted is in the void."""
        mounts = self.mounts(container)

        def place(match):
            for mount, here in mounts.items():
                if match[0] == mount or match[0].startswith(mount + "/"):
                    return str(here) + match[0][len(mount) :]
            return "/void" + match[0]

        text = re.sub(r"(?<![\w./:-])/[\w./-]+", place, text)
        text = text.replace("0.0.0.0:", "127.0.0.1:")
        return re.sub(r"127\.0\.0\.1:(\d+)", lambda match: f"127.0.0.1:{self.ports[match[1]]}", text)

    # --- containers

    def environment(self, container):
        variables = {"AWS_ENDPOINT_URL_STS": self.url}
        for entry in container.get("env", []):
            if "value" in entry:
                variables[entry["name"]] = self.here(container, entry["value"])
        if is_credvend(container):
            variables.setdefault("CREDVEND_LISTEN", f"127.0.0.1:{self.ports['9911']}")
        return variables

    def command(self, container):
        words = container.get("command", ["/credvend"]) + container.get("args", [])
        return [self.credvend, *(self.here(container, word) for word in words[1:])]

    def start(self, container, stays):
        name = container["name"]
        command, environment = self.command(container), self.environment(container)
        for index, word in enumerate(command):
            # What the file says about paths, it says about the pod's.
            if word == "--config":
                copy = self.home / f"{name}-config"
                copy.write_text(self.here(container, Path(command[index + 1]).read_text()))
                command[index + 1] = str(copy)
                done = subprocess.run(
                    [self.credvend, "check", "--offline", *command[index:]], env=environment, capture_output=True, text=True
                )
                self.that(done.returncode == 0, f"{name}: its profiles are understood", done.stdout + done.stderr)
        log = (self.home / f"{name}.log").open("w+")
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        if not stays:
            code = process.wait(DEADLINE)
            self.that(code == 0, f"{name}: ends with 0", f"{code}: {self.read(log)}")
            log.close()
            return
        self.sidecars.append((container, process, log))
        probe = container.get("startupProbe") or container["readinessProbe"]
        ask = [self.credvend, *probe["exec"]["command"][1:]]
        try:
            until(lambda: subprocess.run(ask, env=environment, capture_output=True).returncode == 0, "its probe", process)
        except Wrong as wrong:
            raise Wrong(f"{name}: {wrong}; {self.read(log)}") from wrong
        self.that(True, f"{name}: its probe succeeds")
        if any(port["containerPort"] == 9912 for port in container.get("ports", [])):
            status, text = self.get(f"http://127.0.0.1:{self.ports['9912']}/metrics")
            self.that(status == 200 and "credvend_profile_ready{" in text, f"{name}: metrics are on the admin port", text)

    def apply(self, container):
        """An application finds what it was told of, and works as whom it should."""
        name = container["name"]
        role = EXPECTED.get((self.name, name), ROLE_B)
        environment = self.environment(container)
        sources = []
        uri = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
        if uri:
            sources.append("endpoint")
            token = environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
            self.ask(name, uri, self.shared(name, token) if token else None, role)
        file = environment.get("AWS_SHARED_CREDENTIALS_FILE")
        if file:
            sources.append("file")
            text = configparser.RawConfigParser()
            text.read_string(self.shared(name, file))
            there = [key.lower() in text["default"] for key in KEYS] if "default" in text else [False]
            self.that(all(there), f"{name}: the credentials file holds its keys")
        references = {e["name"]: e["valueFrom"]["fileKeyRef"] for e in container.get("env", []) if "valueFrom" in e}
        if references:
            sources.append("env file")
            missing = [key for key, reference in references.items() if not self.env_file_value(reference)]
            self.that(not missing and set(KEYS) <= references.keys(), f"{name}: the env file holds its variables", str(missing))
        if container.get("command", [""])[0].endswith("/credvend"):
            sources.append("exec")
            self.execute(container)
        if role is None:
            self.that(not sources, f"{name}: is left alone", str(sources))
        else:
            self.that(len(sources) == 1, f"{name}: has credentials by one way", str(sources))

    def shared(self, name, file):
        """A file that credvend wrote for another user of its group."""
        if not Path(file).is_file():
            raise Wrong(f"{name}: {file} is not there")
        mode = Path(file).stat().st_mode
        self.that(mode & 0o040 and not mode & 0o007, f"{name}: {Path(file).name} is the group's to read", oct(mode))
        return Path(file).read_text()

    def ask(self, name, uri, token, role):
        headers = {"Authorization": token} if token else {}
        status, text = self.get(uri, headers)
        answered = json.loads(text).get("RoleArn")
        self.that(status == 200 and answered == role, f"{name}: the endpoint vends {role}", text if status != 200 else answered)
        if token is None:
            return
        status, _ = self.get(uri)
        self.that(status == 401, f"{name}: and nothing without the token", str(status))
        others = [c for c in self.pod["containers"] if not is_credvend(c) and c["name"] != name]
        for other in others:
            theirs = self.environment(other).get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
            if theirs and theirs != uri:
                status, _ = self.get(theirs, headers)
                self.that(status in (401, 403), f"{name}: its token does not open {other['name']}'s path", str(status))

    def env_file_value(self, reference):
        """As the kubelet of 1.35 reads it: the first line NAME='value'."""
        text = (self.home / "volumes" / reference["volumeName"] / reference["path"]).read_text()
        match = re.search(rf"^{re.escape(reference['key'])}='([^']+)'$", text, re.MULTILINE)
        return match and match[1]

    def execute(self, container):
        name = container["name"]
        binary = Path(self.here(container, container["command"][0]))
        self.that(binary.is_file() and binary.stat().st_mode & 0o005 == 0o005, f"{name}: the installed binary is for all")
        words = container["args"]
        words = [str(binary), *words[: words.index("--") + 1], shutil.which("env")]
        done = subprocess.run(words, env=self.environment(container), capture_output=True, text=True, timeout=DEADLINE)
        good = done.returncode == 0 and "AWS_CONTAINER_CREDENTIALS_FULL_URI=" in done.stdout and "AWS_ROLE_ARN" not in done.stdout
        self.that(good, f"{name}: credvend starts it with an endpoint", f"{done.returncode}: {done.stderr}")

    # --- the end

    def end(self):
        for container, process, log in self.sidecars:
            drain = self.environment(container).get("CREDVEND_DRAIN")
            process.send_signal(signal.SIGTERM)
            if drain:
                grace = self.pod.get("terminationGracePeriodSeconds", 30)
                self.that(int(drain.removesuffix("s")) < grace, f"{container['name']}: drains within the pod's grace")
                until(lambda log=log: "ending" in self.read(log), "it says that it ends")
                status, _ = self.get(f"http://127.0.0.1:{self.ports['9912']}/healthz")
                self.that(process.poll() is None and status == 200, f"{container['name']}: serves on after SIGTERM")
                process.send_signal(signal.SIGTERM)
                process.wait(DEADLINE)
            else:
                code = process.wait(DEADLINE)
                self.that(code == 0, f"{container['name']}: ends with 0 at SIGTERM", f"{code}: {self.read(log)}")

    @staticmethod
    def get(url, headers=None):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, ValueError) as error:
            return 0, json.dumps({"error": str(error)})

    @staticmethod
    def read(log):
        return Path(log.name).read_text().strip()
