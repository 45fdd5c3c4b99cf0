"""Zero configuration against somebody else's STS, and their S3 with what it vended."""

import base64
import json
import time

from support.clients import aws, aws_identity, boto3_app, boto3_identity
from support.credvend import Sidecar, once
from support.deadline import until
from support.processes import Background, must
from support.world import ROLE_A, ROLE_B, SESSION_A, SESSION_B


def run(world, check):
    directory = world.directory("moto")
    token_file, file = directory / "token", directory / "credentials"
    token_file.write_text(unsigned_token())
    world.secrets.add("JWT", token_file.read_text())
    with Background(world, "moto", [world.moto_server, "-H", "127.0.0.1", "-p", "0"], world.environment()) as moto:
        url = moto.wait_for(r"Running on (http://127\.0\.0\.1:\d+)", 60)[1]
        # The four variables that a pod has, and nothing else.
        pod = {
            "AWS_ROLE_ARN": ROLE_A,
            "AWS_WEB_IDENTITY_TOKEN_FILE": token_file,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_STS": url,
        }
        everything = {"AWS_ENDPOINT_URL": url}

        with Sidecar(world, **pod, CREDVEND_CREDENTIALS_FILE=file) as sidecar:
            until("the credentials file", 10, file.exists)
            by_file = {"AWS_SHARED_CREDENTIALS_FILE": file, **everything}
            use(world, check, "by the file", "shared-credentials-file", by_file)
            by_endpoint = {**sidecar.client_variables(), **everything}
            use(world, check, "by the endpoint", "container-role", by_endpoint)

        document = json.loads(must(once(world, "export", "--format", "json", **pod, CREDVEND_CHAIN_ROLE_ARNS=ROLE_B)))
        world.secrets.add_credentials(document)
        arn = aws_identity(
            world, **everything,
            AWS_ACCESS_KEY_ID=document["AccessKeyId"],
            AWS_SECRET_ACCESS_KEY=document["SecretAccessKey"],
            AWS_SESSION_TOKEN=document["SessionToken"],
        )
        check.that(f"by a chained export: the AWS CLI is {SESSION_B}…", arn.startswith(SESSION_B), arn)


def use(world, check, title, provider, variables):
    identity = boto3_identity(world, **variables)
    check.equal(f"{title}: boto3's provider", identity["Provider"], provider)
    check.that(f"{title}: boto3 is {SESSION_A}…", identity["Arn"].startswith(SESSION_A), identity["Arn"])
    bucket = title.replace(" ", "-")
    names = must(boto3_app(world, "buckets", bucket, **variables)).split()
    check.that(f"{title}: boto3 makes a bucket and lists it", bucket in names, names)
    listed = must(aws(world, "s3", "ls", **variables))
    check.that(f"{title}: `aws s3 ls` shows it", bucket in listed, listed)


def unsigned_token():
    """A service account token as far as its claims go; moto looks at no signature."""
    now = int(time.time())
    claims = {
        "iss": "https://issuer.example",
        "aud": ["sts.amazonaws.com"],
        "sub": "system:serviceaccount:shop:checkout",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
        "kubernetes.io": {"namespace": "shop", "pod": {"name": "checkout-0", "uid": "0"}},
    }
    parts = [json.dumps({"alg": "RS256", "typ": "JWT"}), json.dumps(claims), "not a signature at all"]
    return ".".join(base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts)
