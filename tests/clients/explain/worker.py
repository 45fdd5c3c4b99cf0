"""Compares `credvend explain` with one SDK in every environment, in a network namespace of its own.

    worker.py CREDVEND SDK CLIENTS [ENVIRONMENT]

Prints one JSON document per environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environments import ENVIRONMENTS, Environment
from stub import SOURCES, Stub

TIMEOUT = 60
SHELL_PATH = "/usr/local/bin:/usr/bin:/bin"
PROCESS = '#!/bin/sh\necho \'{"Version":1,"AccessKeyId":"ASIAPROCESS000000000","SecretAccessKey":"s","SessionToken":"t",'
PROCESS += '"Expiration":"2099-01-01T00:00:00Z"}\'\n'
FILES = {"authorization": "opaque", "newline": "opaque\n", "token": "header.claims.signature", "credvend": PROCESS}


def command(sdk: str, clients: Path) -> list[str]:
    """Returns the command that makes the SDK get credentials."""
    programs = Path(__file__).resolve().parent / "programs"
    java = ["java", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
    if sdk in ("boto3", "crt", "cpp", "object_store", "libcurl"):
        return [str(clients / "python/bin/python"), str(programs / "python/client.py"), sdk]
    return {
        "go-v1": [str(clients / "go/explain"), sdk],
        "go-v2": [str(clients / "go/explain"), sdk],
        "minio-go": [str(clients / "go/explain"), sdk],
        "javascript-v3": ["node", str(clients / "javascript/main.mjs")],
        # It has no variable for the endpoint of STS.
        "java-v1": [*java, "-Dhttps.proxyHost=127.0.0.1", "-Dhttps.proxyPort=3129", "-cp", f"{clients}/java-v1/lib/*:{clients}/java-v1", "Main"],
        "java-v2": [*java, "-cp", f"{clients}/java-v2/lib/*:{clients}/java-v2", "Main"],
        "rust": [str(clients / "rust/debug/explain-rust")],
    }[sdk]


def set_up(environment: Environment, home: Path) -> dict[str, str]:
    """Writes the files of an environment and returns its variables."""
    fill = lambda text: text.replace("{dir}", str(home))  # noqa: E731
    for name, content in (FILES | environment.files).items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill(content))
    (home / "credvend").chmod(0o755)
    base = {"HOME": str(home), "PATH": SHELL_PATH, "AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1"}
    return base | {name: fill(value) for name, value in environment.variables.items()}


def observe(stub: Stub, arguments: list[str], variables: dict[str, str]) -> dict[str, object]:
    """Runs the client. Returns the source that it used, or the first one that it asked."""
    stub.reset()
    names = ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
    stub.token = "opaque" if any(name in variables for name in names) else ""
    test = {"EXPLAIN_S3": "127.0.0.1:9914", "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9913", "HTTPS_PROXY": "http://127.0.0.1:3129"}
    test["AWS_EC2_METADATA_DISABLED"] = variables.get("AWS_EC2_METADATA_DISABLED", "false")
    if arguments[-1] in ("object_store", "crt", "cpp"):
        # They accept only HTTPS there.
        del test["AWS_ENDPOINT_URL_STS"]
    try:
        ended = subprocess.run(arguments, env=variables | test, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        output, error = ended.stdout.strip(), ended.stderr.strip()
    except subprocess.TimeoutExpired:
        output, error = "", "timeout"
    key = output.splitlines()[-1] if output else next((key for key in stub.signed_with if key), "")
    asked = [event for event in stub.events if event != "s3"]
    first = {"sts": "web_identity"}.get(asked[0], asked[0]) if asked else None
    return {"source": SOURCES.get(key) or first, "works": key in SOURCES, "asked": asked, "error": error[-400:]}


def precise(said: dict) -> str:
    """Returns the source in the words of the stub."""
    if said["source"] == "container" and "RELATIVE" in said["origin"]:
        return "container_relative"
    if said["source"] == "instance_metadata" and said["origin"] != "169.254.169.254":
        return "instance_metadata_variable"
    return said["source"]


def agrees(said: dict, seen: dict) -> bool:
    by_sts = ("web_identity", "role")
    if "sts" in seen["asked"] and not (seen["works"] and seen["source"] in by_sts) and said["source"] in by_sts:
        # STS was asked but did not answer: the client has no setting for its endpoint.
        return True
    if said["works"] != seen["works"]:
        return False
    return not said["works"] or precise(said) == seen["source"]


def main() -> None:
    credvend, sdk, clients = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    for setting in (["link", "set", "lo", "up"], *(["addr", "add", f"{host}/32", "dev", "lo"] for host in
                    ("169.254.170.2", "169.254.170.23", "169.254.169.254", "10.0.0.1"))):
        subprocess.run(["ip", *setting], check=True)
    # In the mount namespace of this process.
    with tempfile.NamedTemporaryFile("w", delete=False) as resolver:
        resolver.write("nameserver 127.0.0.1\n")
    subprocess.run(["mount", "--bind", resolver.name, "/etc/resolv.conf"], check=True)
    os.unlink(resolver.name)
    stub = Stub()
    for environment in ENVIRONMENTS:
        if len(sys.argv) > 4 and environment.name != sys.argv[4]:
            continue
        with tempfile.TemporaryDirectory() as directory:
            variables = set_up(environment, Path(directory))
            explain = [credvend, "explain", "--format=json", f"--sdk={sdk}"]
            printed = subprocess.run(explain, env=variables, capture_output=True, text=True, check=False)
            said = json.loads(printed.stdout)["sdks"][0]
            start = time.monotonic()
            seen = observe(stub, command(sdk, clients), variables)
        result = {"environment": environment.name, "sdk": sdk, "agrees": agrees(said, seen), "said": said, "seen": seen}
        print(json.dumps(result | {"seconds": round(time.monotonic() - start, 1)}), flush=True)


if __name__ == "__main__":
    # The proxy variables of the caller must not reach the client.
    os.environ.pop("HTTP_PROXY", None)
    main()
