"""Tests a local-sts binary with boto3: `python boto3_scenarios.py PATH_TO_LOCAL_STS`.

The server must accept the requests of an unmodified AWS SDK, and respond to them as AWS does.
"""

import datetime
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.parsers import ResponseParserError

ROLE_A = "arn:aws:iam::111111111111:role/account-a-role"
ROLE_B = "arn:aws:iam::222222222222:role/account-b-role"
USER_KEYS = ("AKIALOCALSTSBASEUSER", "local/sts+base/user+SECRET+not/a/real/ke")
STATEMENT_B = {
    "Effect": "Allow",
    "Principal": {"AWS": ROLE_A},
    "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
    "Condition": {"StringEqualsIfExists": {"sts:ExternalId": "shared-secret"}},
}
checks = 0


def main(binary):
    # Ignore the AWS settings of the caller.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    with tempfile.TemporaryDirectory() as directory:
        sts = LocalSts(binary, directory)
        try:
            scenarios = [value for name, value in globals().items() if name.startswith("scenario_")]
            for scenario in scenarios:
                scenario(sts)
                sts.control("DELETE", "faults")
                sts.control("PUT", "clock", {"shift_seconds": 0})
                sts.control("PUT", "lifetime", {"seconds": None})
        finally:
            status = sts.stop()
        check(status == 0, f"local-sts exited with {status} on SIGTERM")
    print(f"boto3 {boto3.__version__}: {len(scenarios)} scenarios, {checks} checks passed")


# Scenarios


def scenario_chain(sts):
    with open(sts.token_file) as file:
        token = file.read()
    first = sts.client().assume_role_with_web_identity(
        RoleArn=ROLE_A, RoleSessionName="shop.checkout", WebIdentityToken=token
    )
    check(first["SubjectFromWebIdentityToken"] == "system:serviceaccount:shop:checkout", first)
    check(first["Audience"] == "sts.amazonaws.com", first)
    check(first["Provider"] == f"arn:aws:iam::111111111111:oidc-provider/{sts.host}", first)
    check(first["AssumedRoleUser"]["Arn"] == "arn:aws:sts::111111111111:assumed-role/account-a-role/shop.checkout", first)
    check(re.fullmatch("AROA[A-Z2-7]{17}:shop.checkout", first["AssumedRoleUser"]["AssumedRoleId"]), first)
    keys = first["Credentials"]
    check(re.fullmatch("ASIA[A-Z2-7]{16}", keys["AccessKeyId"]), "the format of the access key ID")
    check(len(keys["SecretAccessKey"]) == 40 and len(keys["SessionToken"]) > 800, "the lengths of the secrets")
    lifetime_left = seconds_until(keys["Expiration"])
    check(3590 < lifetime_left <= 3600, f"the credentials expire in 3600 s: {lifetime_left}")
    check(first["ResponseMetadata"]["RequestId"] == first["ResponseMetadata"]["HTTPHeaders"]["x-amzn-requestid"], first)

    second = sts.client(keys).assume_role(RoleArn=ROLE_B, RoleSessionName="hop")
    check(second["AssumedRoleUser"]["Arn"] == "arn:aws:sts::222222222222:assumed-role/account-b-role/hop", second)
    check("PackedPolicySize" not in second and "SourceIdentity" not in second, second)
    identity = sts.client(second["Credentials"], region="eu-central-1").get_caller_identity()
    check(identity["Arn"] == second["AssumedRoleUser"]["Arn"] and identity["Account"] == "222222222222", identity)
    check(identity["UserId"] == second["AssumedRoleUser"]["AssumedRoleId"], identity)


def scenario_static_keys(sts):
    client = sts.client(USER_KEYS)
    check(client.get_caller_identity()["Arn"] == "arn:aws:iam::111111111111:user/base-user", "a user")
    keys = client.assume_role(RoleArn=ROLE_A, RoleSessionName="user")["Credentials"]
    check(sts.client(keys).get_caller_identity()["Arn"].endswith("assumed-role/account-a-role/user"), "a session")
    expect_error(
        lambda: client.assume_role(RoleArn=ROLE_B, RoleSessionName="user"),
        "AccessDenied",
        403,
        f"User: arn:aws:iam::111111111111:user/base-user is not authorized to perform: sts:AssumeRole on resource: {ROLE_B}",
    )


def scenario_boto3_assume_role_providers(sts):
    """boto3 assumes the roles itself, configured by environment variables and a config file."""
    config = os.path.join(sts.directory, "config")
    with open(config, "w") as file:
        file.write(
            "[profile base]\n"
            f"role_arn = {ROLE_A}\nweb_identity_token_file = {sts.token_file}\nrole_session_name = base\n"
            f"[profile chained]\nrole_arn = {ROLE_B}\nsource_profile = base\nrole_session_name = chained\n"
        )
    os.environ.update(AWS_CONFIG_FILE=config, AWS_ENDPOINT_URL_STS=sts.url)
    try:
        session = boto3.Session(profile_name="chained", region_name="us-east-1")
        check(session.client("sts").get_caller_identity()["Arn"].endswith("account-b-role/chained"), "the chained role")
    finally:
        os.environ["AWS_CONFIG_FILE"] = os.devnull
        del os.environ["AWS_ENDPOINT_URL_STS"]


def scenario_tags_external_id_policies(sts):
    with sts.trust_policy_of_role_b(STATEMENT_B):
        base = sts.client(sts.role_a_credentials())
        response = base.assume_role(
            RoleArn=ROLE_B,
            RoleSessionName="hop",
            ExternalId="shared-secret",
            DurationSeconds=900,
            Tags=[{"Key": "team", "Value": "a b/ü+&="}, {"Key": "empty", "Value": ""}],
            TransitiveTagKeys=["team"],
            SourceIdentity="checkout",
            Policy=json.dumps({"Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}),
            PolicyArns=[{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
        )
        check(response["SourceIdentity"] == "checkout" and 0 < response["PackedPolicySize"] <= 100, response)
        lifetime_left = seconds_until(response["Credentials"]["Expiration"])
        check(890 < lifetime_left <= 900, f"the credentials expire in 900 s: {lifetime_left}")

        def hop(**parameters):
            return lambda: base.assume_role(**{"RoleArn": ROLE_B, "RoleSessionName": "hop", **parameters})

        expect_error(hop(ExternalId="wrong"), "AccessDenied", 403, "sts:AssumeRole on resource")
        expect_error(hop(Policy="{"), "MalformedPolicyDocument", 400, "Syntax errors in policy")
        expect_error(
            hop(Tags=[{"Key": "k", "Value": "v"}, {"Key": "K", "Value": "v"}]),
            "InvalidParameterValue",
            400,
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        )
        many = [{"Key": f"k{n}", "Value": "v" * 256} for n in range(50)]
        expect_error(hop(Tags=many), "PackedPolicyTooLarge", 400, "Packed size of session tags consumes ")
        expect_error(
            hop(DurationSeconds=7200),
            "ValidationError",
            400,
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
        )
    # In the built-in world, no trust policy allows session tags or source identities.
    base = sts.client(sts.role_a_credentials())
    tags = {"Tags": [{"Key": "k", "Value": "v"}]}
    for parameters, action in [(tags, "sts:TagSession"), ({"SourceIdentity": "me"}, "sts:SetSourceIdentity")]:
        expect_error(
            lambda: base.assume_role(RoleArn=ROLE_B, RoleSessionName="hop", **parameters),
            "AccessDenied",
            403,
            f"is not authorized to perform: {action} on resource: {ROLE_B}",
        )


def scenario_refused_tokens(sts):
    def with_token(**claims):
        token = sts.mint(**claims)
        return lambda: sts.client().assume_role_with_web_identity(
            RoleArn=ROLE_A, RoleSessionName="web", WebIdentityToken=token
        )

    rows = [
        (with_token(issuer="https://elsewhere"), "InvalidIdentityToken", 400,
         "No OpenIDConnect provider found in your account for https://elsewhere"),
        (with_token(audience=["api"]), "InvalidIdentityToken", 400, "Incorrect token audience"),
        (with_token(audience=[]), "InvalidIdentityToken", 400, "Missing a required claim: aud"),
        (with_token(key_id="rotated"), "InvalidIdentityToken", 400,
         "Couldn't retrieve verification key from your identity provider,  please reference "
         "AssumeRoleWithWebIdentity documentation for requirements"),
        (with_token(issued_at_offset=-7200), "ExpiredTokenException", 400, "Token expired: current date/time "),
        (with_token(issued_at_offset=-90000, lifetime=180000), "ExpiredTokenException", 400, "Token too old"),
        (with_token(service_account="other"), "AccessDenied", 403,
         "Not authorized to perform sts:AssumeRoleWithWebIdentity"),
    ]
    for call, code, status, message in rows:
        expect_error(call, code, status, message)
    client = sts.client()
    good = sts.mint()
    for token, message in [
        ("not-a-token", "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"),
        (good[:-2] + ("AA" if good[-2:] != "AA" else "QQ"), "JWT signature is invalid"),
        (good + "\n", "The ID Token provided is not a valid JWT."),
    ]:
        expect_error(
            lambda: client.assume_role_with_web_identity(RoleArn=ROLE_A, RoleSessionName="web", WebIdentityToken=token),
            "InvalidIdentityToken", 400, message,
        )
    expect_error(
        lambda: client.assume_role_with_web_identity(
            RoleArn=ROLE_A, RoleSessionName="web", WebIdentityToken=good, DurationSeconds=7200),
        "ValidationError", 400, "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )
    expect_error(
        lambda: client.assume_role_with_web_identity(
            RoleArn=ROLE_A, RoleSessionName="a:b", WebIdentityToken=good),
        "ValidationError", 400,
        "1 validation error detected: Value 'a:b' at 'roleSessionName' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\w+=,.@-]*",
    )
    expect_error(
        lambda: client.assume_role_with_web_identity(
            RoleArn=ROLE_A.replace("role/", "user/"), RoleSessionName="ab", WebIdentityToken=good),
        "ValidationError", 400, "Request ARN is invalid",
    )


def scenario_refused_signatures(sts):
    keys = sts.role_a_credentials()
    wrong_secret = {**keys, "SecretAccessKey": "x" * 40}
    wrong_token = {**keys, "SessionToken": keys["SessionToken"][:-8] + "AAAAAAA="}
    no_token = (keys["AccessKeyId"], keys["SecretAccessKey"])
    unknown = ("ASIAUNKNOWNUNKNOWNUN", "x" * 40)
    does_not_match = "The request signature we calculated does not match the signature you provided."
    invalid = "The security token included in the request is invalid."
    for credentials, code, message in [
        (wrong_secret, "SignatureDoesNotMatch", does_not_match),
        (wrong_token, "InvalidClientTokenId", invalid),
        (no_token, "InvalidClientTokenId", invalid),
        (unknown, "InvalidClientTokenId", invalid),
        ((*USER_KEYS, "token"), "InvalidClientTokenId", invalid),
    ]:
        client = sts.client(credentials)
        expect_error(client.get_caller_identity, code, 403, message)
        expect_error(lambda: client.assume_role(RoleArn=ROLE_B, RoleSessionName="hop"), code, 403, message)
    unsigned = boto3.client(
        "sts", endpoint_url=sts.url, region_name="us-east-1", config=Config(signature_version=UNSIGNED)
    )
    expect_error(unsigned.get_caller_identity, "MissingAuthenticationToken", 403, "Request is missing Authentication Token")


def scenario_clock(sts):
    client = sts.client(USER_KEYS)
    for shift in (-890, 890):
        sts.control("PUT", "clock", {"shift_seconds": shift})
        check(client.get_caller_identity()["Account"] == "111111111111", f"{shift} s of clock skew")
    sts.control("PUT", "clock", {"shift_seconds": 1000})
    expect_error(client.get_caller_identity, "SignatureDoesNotMatch", 403, "Signature expired: ")
    sts.control("PUT", "clock", {"shift_seconds": -1000})
    expect_error(client.get_caller_identity, "SignatureDoesNotMatch", 403, "Signature not yet current: ")


def scenario_expired_session(sts):
    sts.control("PUT", "lifetime", {"seconds": 1})
    keys = sts.role_a_credentials()
    lifetime_left = seconds_until(keys["Expiration"])
    check(-1 < lifetime_left <= 1, f"the credentials expire in 1 s: {lifetime_left}")
    time.sleep(1.1)
    expect_error(
        sts.client(keys).get_caller_identity,
        "ExpiredToken", 403, "The security token included in the request is expired",
    )


def scenario_faults(sts):
    client = sts.client(USER_KEYS)
    once = {"kind": {"error": {"code": "RegionDisabledException", "status": 403, "message": "STS is <not> activated & so on"}}}
    sts.control("POST", "faults", [{"kind": "throttle", "times": 2}, once])
    for _ in range(2):
        expect_error(client.get_caller_identity, "Throttling", 400, "Rate exceeded")
    expect_error(client.get_caller_identity, "RegionDisabledException", 403, "STS is <not> activated & so on")
    client.get_caller_identity()
    sts.control("POST", "faults", [{"kind": {"server_error": {"status": 503}}, "times": "forever"}])
    for _ in range(3):
        expect_error(client.get_caller_identity, "ServiceUnavailable", 503, "")
    sts.control("DELETE", "faults")
    client.get_caller_identity()
    # boto3 retries after a reset and after a server error.
    sts.control("POST", "faults", [{"kind": "reset"}, {"kind": {"server_error": {"status": 500}}}])
    before = len(sts.requests())
    retrying = sts.client(USER_KEYS, retries=3)
    retrying.get_caller_identity()
    faults = [request["fault"] for request in sts.requests()[before:]]
    check(faults == ["reset", {"server_error": {"status": 500}}, None], faults)
    # boto3 does not retry after malformed responses.
    for kind in ("truncated_body", "cut_xml", "garbage"):
        sts.control("POST", "faults", [{"kind": kind}])
        try:
            client.get_caller_identity()
            check(False, f"boto3 accepted a response with the fault {kind}")
        except (ResponseParserError, HTTPClientError) as error:
            check(error is not None, kind)


def scenario_tokens_in_urls_are_refused(sts):
    query = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&WebIdentityToken=secret"
    for path, status in [(f"/?{query}", 400), ("/other", 404), ("/_local/other", 404)]:
        try:
            urllib.request.urlopen(sts.url + path)
            check(False, f"GET {path} succeeded")
        except urllib.error.HTTPError as error:
            check(error.code == status, f"{path}: {error.code}")
    keys = json.load(urllib.request.urlopen(
        json.load(urllib.request.urlopen(sts.url + "/.well-known/openid-configuration"))["jwks_uri"]))
    check(keys["keys"][0]["alg"] == "RS256", keys)


# Support


class LocalSts:
    """A running local-sts process with a projected token."""

    def __init__(self, binary, directory):
        self.directory = directory
        self.token_file = os.path.join(directory, "token-volume", "token")
        url_file = os.path.join(directory, "url")
        self.process = subprocess.Popen(
            [binary, "--url-file", url_file, "--token-dir", os.path.dirname(self.token_file)], stdout=subprocess.PIPE
        )
        deadline = time.monotonic() + 60
        while not os.path.exists(url_file):
            assert self.process.poll() is None, "local-sts exited at start"
            assert time.monotonic() < deadline, "local-sts did not listen within 60 s"
            time.sleep(0.02)
        with open(url_file) as file:
            self.url = file.read()
        self.host = self.url.split("://")[1]

    def client(self, keys=None, region="us-east-1", retries=0):
        if isinstance(keys, dict):
            keys = (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        key, secret, token = (*(keys or ()), None, None, None)[:3]
        return boto3.client(
            "sts",
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            # Without validation by boto3, invalid parameters reach the server.
            config=Config(retries={"total_max_attempts": retries + 1}, parameter_validation=False),
        )

    def role_a_credentials(self):
        return self.client().assume_role_with_web_identity(
            RoleArn=ROLE_A, RoleSessionName="base", WebIdentityToken=self.mint()
        )["Credentials"]

    def mint(self, **claims):
        return self.control("POST", "token", claims).decode()

    def requests(self):
        return json.loads(self.control("GET", "requests"))

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_local/{path}", data=data, method=method)
        return urllib.request.urlopen(request, timeout=10).read()

    def trust_policy_of_role_b(self, statement_b):
        return ChangedTrustPolicy(self, statement_b)

    def stop(self):
        self.process.terminate()
        return self.process.wait(10)


class ChangedTrustPolicy:
    """A context in which account-b-role has another trust policy statement."""

    def __init__(self, sts, statement_b):
        self.sts = sts
        source = os.path.join(os.path.dirname(__file__), "..", "src", "world", "two_accounts.json")
        with open(source) as file:
            self.before = json.load(file)
        self.after = json.loads(json.dumps(self.before))
        self.after["accounts"]["222222222222"]["roles"]["account-b-role"]["trust"]["Statement"] = statement_b

    def __enter__(self):
        self.sts.control("PUT", "world", self.after)

    def __exit__(self, *_):
        self.sts.control("PUT", "world", self.before)


def seconds_until(expiration):
    return (expiration - datetime.datetime.now(datetime.timezone.utc)).total_seconds()


def check(condition, message):
    global checks
    assert condition, message
    checks += 1


def expect_error(call, code, status, message):
    """Checks that the call fails with this code and HTTP status, and that the error message contains this text."""
    try:
        call()
    except ClientError as error:
        found = error.response["Error"]
        check(found["Code"] == code, error)
        check(error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error)
        check(message in found["Message"], error)
    else:
        raise AssertionError(f"the call succeeded; expected {code}: {message}")


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except AssertionError as failure:
        print(f"FAILED after {checks} checks: {failure}", file=sys.stderr)
        raise
