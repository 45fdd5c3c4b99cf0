"""Zero configuration with moto, an independent implementation of STS and S3."""

import json

from support.clients import aws_cli_arn, boto3_identity, run_aws_cli, run_boto3_app
from support.commands import stdout_of
from support.credvend import Sidecar, run_credvend
from support.processes import BackgroundProcess
from support.roles import ROLE_A, ROLE_B, SESSION_A, SESSION_B
from support.tokens import unsigned_token
from support.waiting import wait_until


def run(context, check):
    directory = context.directory("moto")
    token_file, file = directory / "token", directory / "credentials"
    token_file.write_text(unsigned_token())
    context.secrets.add("JWT", token_file.read_text())
    with BackgroundProcess(context, "moto", [context.moto_server, "-H", "127.0.0.1", "-p", "0"], context.environment()) as moto:
        url = moto.wait_for(r"Running on (http://127\.0\.0\.1:\d+)", 60)[1]
        # Credvend has only these four variables, as in a pod.
        pod = {
            "AWS_ROLE_ARN": ROLE_A,
            "AWS_WEB_IDENTITY_TOKEN_FILE": token_file,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_STS": url,
        }
        client = {"AWS_ENDPOINT_URL": url}

        with Sidecar(context, **pod, CREDVEND_CREDENTIALS_FILE=file) as sidecar:
            wait_until("the credentials file exists", 10, file.exists)
            by_file = {"AWS_SHARED_CREDENTIALS_FILE": file, **client}
            use(context, check, "credentials file", "shared-credentials-file", by_file)
            by_endpoint = {**sidecar.client_variables(), **client}
            use(context, check, "endpoint", "container-role", by_endpoint)

        document = json.loads(stdout_of(run_credvend(context, "export", "--format", "json", **pod, CREDVEND_CHAIN_ROLE_ARNS=ROLE_B)))
        context.secrets.add_credentials(document)
        arn = aws_cli_arn(
            context, **client,
            AWS_ACCESS_KEY_ID=document["AccessKeyId"],
            AWS_SECRET_ACCESS_KEY=document["SecretAccessKey"],
            AWS_SESSION_TOKEN=document["SessionToken"],
        )
        check.that(f"export of a role chain: the AWS CLI has a session of {SESSION_B}", arn.startswith(SESSION_B), arn)


def use(context, check, title, provider, variables):
    identity = boto3_identity(context, **variables)
    check.equal(f"{title}: provider of boto3", identity["Provider"], provider)
    check.that(f"{title}: boto3 has a session of {SESSION_A}", identity["Arn"].startswith(SESSION_A), identity["Arn"])
    bucket = title.replace(" ", "-")
    names = stdout_of(run_boto3_app(context, "create_bucket", bucket, **variables)).split()
    check.that(f"{title}: boto3 creates a bucket and lists it", bucket in names, names)
    listed = stdout_of(run_aws_cli(context, "s3", "ls", **variables))
    check.that(f"{title}: `aws s3 ls` shows it", bucket in listed, listed)
