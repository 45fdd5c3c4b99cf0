"""Credvend with the STS of SeaweedFS; unmodified clients use the credentials with its S3."""

import json

from server import NOT_TRUSTED_ROLE, ROLE, ROLE_WITHOUT_ACCOUNT, URL, SeaweedFs
from support.clients import aws_cli_arn, run_aws_cli, run_boto3_app
from support.commands import stdout_of
from support.credvend import Sidecar, run_credvend
from support.local_sts import LocalSts
from support.waiting import wait_until


def run(context, check):
    client = {"AWS_ENDPOINT_URL": URL}
    # Only the token and its issuer come from the local STS.
    with LocalSts(context, "issuer") as issuer, SeaweedFs(context, context.seaweedfs, issuer.url) as store:
        check.that("SeaweedFS runs", store.is_running(), store.output()[-2000:])
        for role in (ROLE, ROLE_WITHOUT_ACCOUNT):
            pod = {**issuer.pod_variables(role), "AWS_ENDPOINT_URL_STS": URL}
            exported = json.loads(stdout_of(run_credvend(context, "export", "--format", "json", **pod)))
            context.secrets.add_credentials(exported)
            keys = {
                "AWS_ACCESS_KEY_ID": exported["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": exported["SecretAccessKey"],
                "AWS_SESSION_TOKEN": exported["SessionToken"],
            }
            arn = aws_cli_arn(context, **client, **keys)
            name = role.rpartition("/")[2]
            check.that(f"{role}: export: the AWS CLI has a session of the role", f"assumed-role/{name}/" in arn, arn)

            file = context.scratch / f"{name}-credentials"
            with Sidecar(context, **pod, CREDVEND_CREDENTIALS_FILE=file) as sidecar:
                use(context, check, f"{name}-by-endpoint", {**sidecar.client_variables(), **client})
                wait_until("the credentials file exists", 10, file.exists)
                use(context, check, f"{name}-by-file", {"AWS_SHARED_CREDENTIALS_FILE": file, **client})

            checked = run_credvend(context, "check", **pod)
            check.equal(f"{role}: check: exit code", (checked.returncode, checked.stdout if checked.returncode else ""), (0, ""))

        refused = run_credvend(context, "export", **{**pod, "AWS_ROLE_ARN": NOT_TRUSTED_ROLE})
        check.equal("a role that does not trust the token: export: exit code", refused.returncode, 4)
        wrong = {**keys, "AWS_SECRET_ACCESS_KEY": "0" * 40}
        check.that("a wrong secret access key is refused", run_aws_cli(context, "s3", "ls", **client, **wrong).returncode != 0)


def use(context, check, bucket, variables):
    names = stdout_of(run_boto3_app(context, "create_bucket", bucket, **variables)).split()
    check.that(f"{bucket}: boto3 creates a bucket and lists it", bucket in names, names)
    listed = stdout_of(run_aws_cli(context, "s3", "ls", **variables))
    check.that(f"{bucket}: `aws s3 ls` shows it", bucket in listed, listed)
