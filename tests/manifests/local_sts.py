"""Starts the local STS, and runs credvend with it."""

import json
import subprocess
import time
import urllib.request

import rendered

ROLE = "arn:aws:iam::111111111111:role/account-a-role"
CHAINED_ROLE = "arn:aws:iam::222222222222:role/account-b-role"


def serve(local_sts, home, *options):
    """Starts a local STS that writes its URL to home/url and a token to home/token/token."""
    home.mkdir()
    command = [local_sts, "--token-dir", home / "token", "--url-file", home / "url", *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not ((home / "url").exists() and (home / "token/token").exists()):
        if time.monotonic() > deadline:
            raise TimeoutError("the local STS did not start within 20 s")
        time.sleep(0.02)
    return server


def write_world(path, issuer):
    """Writes the world of two accounts with this issuer, and returns the path."""
    world = (rendered.ROOT / "tests/local-sts/src/world/two_accounts.json").read_text()
    path.write_text(world.replace("{", f'{{"issuer": "{issuer}",', 1))
    return path


def mint(home, **claims):
    """Returns a token with these claims, signed by the local STS in `home`."""
    return control(home, "POST", "token", claims)


def fault(home, kind, **options):
    """Adds a fault to the queue of the local STS in `home`."""
    control(home, "POST", "faults", [{"kind": kind, **options}])


def control(home, method, path, body=None):
    """Sends a request to a control route of the local STS in `home`, and returns the response."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{(home / 'url').read_text()}/_local/{path}", data, method=method)
    with urllib.request.urlopen(request, timeout=5) as response:
        return response.read().decode()


def variables(home):
    """Returns the environment of a credvend that uses the local STS in `home`."""
    return {
        "AWS_ENDPOINT_URL_STS": (home / "url").read_text(),
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(home / "token/token"),
        "AWS_ROLE_ARN": ROLE,
        "AWS_REGION": "eu-central-1",
    }


def stop(*processes):
    """Terminates processes and waits for them."""
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()


def wait_until_ready(credvend, environment, seconds=20):
    """Waits until `credvend health` succeeds."""
    deadline = time.monotonic() + seconds
    while subprocess.run([credvend, "health"], env=environment, capture_output=True).returncode:
        if time.monotonic() > deadline:
            raise TimeoutError(f"credvend did not become ready within {seconds} s")
        time.sleep(0.05)
