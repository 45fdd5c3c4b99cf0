"""Two profiles of one config file in a ConfigMap: across accounts, and one authorization token a container."""

import json

from pod import volumes
from pod.cluster import ROLE_A, ROLE_B, SESSION_A, SESSION_B
from pod.pod import AWS, ENDPOINT, TOKEN_DIRECTORY

CONFIG = f"""\
[profile account_b_role]
source_profile = account_a_role
role_arn = {ROLE_B}

[profile account_a_role]
web_identity_token_file = {TOKEN_DIRECTORY}/token
role_arn = {ROLE_A}
"""
SESSIONS = {"account_a_role": SESSION_A, "account_b_role": SESSION_B}
TOKEN = "/authorization/token"


def run(cluster, check):
    with cluster.pod("profiles") as pod:
        tokens, files = pod.empty_dir("tokens"), pod.empty_dir("aws")
        config = volumes.config_map(pod.directory / "config", config=CONFIG)
        calls = pod.sts.exchanges()
        sidecar = pod.credvend(
            "run", "--config", "/config/config", "--profile", "account_b_role", "--profile", "account_a_role",
            variables={
                "AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None,
                "CREDVEND_AUTH_TOKEN_DIR": "/tokens", "CREDVEND_CREDENTIALS_FILE": "/aws/credentials",
                "CREDVEND_FILE_MODE": "0640",
            },
            mounts={"/tokens": tokens, "/aws": files, "/config:ro": config},
        )
        sidecar.startup_probe()
        check.equal("two profiles, two calls to STS", pod.sts.exchanges() - calls, 2)

        for profile, session in SESSIONS.items():
            identity = whoami(pod, f"app-{profile}", profile, tokens / profile)
            check.that(f"the container with the token of {profile} is {profile}", identity.startswith(session), identity)
            reader = pod.client(
                f"file-{profile}", "aws", "sts", "get-caller-identity", mounts={"/aws:ro": files},
                variables={"AWS_CONTAINER_CREDENTIALS_FULL_URI": None, "AWS_PROFILE": profile,
                           "AWS_SHARED_CREDENTIALS_FILE": "/aws/credentials"},
            )
            arn = json.loads(reader.must_end_well())["Arn"]
            check.that(f"the file's section {profile} is {profile}", arn.startswith(session), arn)

        for own, other in [("account_a_role", "account_b_role"), ("account_b_role", "account_a_role")]:
            token = (tokens / own).read_text()
            cluster.secrets.add("authorization token", token)
            status, document = sidecar.credentials(f"/v1/credentials/{own}", token)
            check.equal(f"the token of {own} opens it", status, 200)
            cluster.secrets.add_credentials(document)
            status, document = sidecar.credentials(f"/v1/credentials/{other}", token)
            check.equal(f"and of {other} gets 401", status, 401)
            check.that("without a credential", "SecretAccessKey" not in document, document)
        thief = client(pod, "thief", "account_b_role", tokens / "account_a_role")
        check.that("a container cannot take the other's role", thief.end() != 0, thief.logs())


def client(pod, name, profile, token):
    return pod.client(
        name, *AWS, "sts", "get-caller-identity", mounts={f"{TOKEN}:ro": token},
        variables={"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{ENDPOINT}/{profile}", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": TOKEN},
    )


def whoami(pod, name, profile, token):
    return json.loads(client(pod, name, profile, token).must_end_well())["Arn"]
