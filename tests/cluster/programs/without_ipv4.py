"""Runs credvend where no interface has an IPv4 address: `python without_ipv4.py CREDVEND LOCAL_STS DIRECTORY`. Prints the results as JSON.

The caller gives the process a network namespace of its own, whose loopback interface has the address ::1 only.
"""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

LISTEN = "[::1]:9911"


def main(credvend, local_sts, directory):
    directory = Path(directory)
    token, url = directory / "token", directory / "url"
    token.mkdir()
    sts = subprocess.Popen([local_sts, "--listen", "[::1]:0", "--token-dir", token, "--url-file", url], stdout=sys.stderr)
    running = None
    try:
        wait_until(url.exists)
        environment = {
            "PATH": os.environ["PATH"], "AWS_REGION": "eu-central-1", "AWS_ENDPOINT_URL_STS": url.read_text(),
            "AWS_ROLE_ARN": "arn:aws:iam::111111111111:role/account-a-role", "AWS_WEB_IDENTITY_TOKEN_FILE": str(token / "token"),
        }

        def run(*words, **variables):
            return subprocess.run([credvend, *words], env={**environment, **variables}, capture_output=True, text=True, timeout=60)

        default = run("run")
        variables = {"CREDVEND_LISTEN": LISTEN, "CREDVEND_ADMIN_LISTEN": ":9912"}
        running = subprocess.Popen([credvend, "run"], env={**environment, **variables}, stderr=sys.stderr)
        wait_until(lambda: run("health", **variables).returncode == 0)
        process = run("process", "--from-endpoint", AWS_CONTAINER_CREDENTIALS_FULL_URI=f"http://{LISTEN}/v1/credentials").stdout
        results = {
            "default address": {"exit code": default.returncode, "output": default.stderr},
            "exec": run("exec", "--", "env").stdout,
            "status": run("status", **variables).stdout,
            "check": run("check", **variables).stdout,
            "process": "SecretAccessKey" in process,
            "credentials": "SecretAccessKey" in fetch(f"http://{LISTEN}/v1/credentials"),
            "metrics": "credvend_profile_ready{" in fetch("http://[::1]:9912/metrics"),
        }
        print(json.dumps(results))
    finally:
        for process in (running, sts):
            if process:
                process.terminate()
                process.wait()


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("timed out")
        time.sleep(0.1)


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as response:
        return response.read().decode()


main(*sys.argv[1:])
