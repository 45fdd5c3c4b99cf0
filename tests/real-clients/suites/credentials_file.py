"""`run --once --credentials-file`, as an init container runs it, read by clients that know nothing but the file."""

from support.clients import aws_identity, boto3_identity
from support.credvend import once
from support.processes import must
from support.world import ROLE_A, ROLE_B, SESSION_A, SESSION_B


def run(world, check):
    directory = world.directory("credentials-file")
    for title, chain, session in [
        ("one role", {}, SESSION_A),
        ("chained", {"CREDVEND_CHAIN_ROLE_ARNS": ROLE_B}, SESSION_B),
    ]:
        file = directory / title.replace(" ", "-")
        must(once(world, "run", "--once", "--credentials-file", file, **chain, **world.sts.pod_variables(ROLE_A)))
        variables = {"AWS_SHARED_CREDENTIALS_FILE": file, **world.sts.client_variables()}
        identity = boto3_identity(world, **variables)
        check.equal(f"{title}: boto3 takes them from the file", identity["Provider"], "shared-credentials-file")
        check.that(f"{title}: boto3 is {session}…", identity["Arn"].startswith(session), identity["Arn"])
        arn = aws_identity(world, **variables)
        check.equal(f"{title}: the AWS CLI is the same", arn, identity["Arn"])
        mode = oct(file.stat().st_mode & 0o777)
        check.equal(f"{title}: the file is its owner's alone", mode, "0o600")
        check.that(f"{title}: the file holds the secret key", identity["SecretAccessKey"] in file.read_text())
