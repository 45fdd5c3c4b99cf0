"""The default chain of the AWS Common Runtime, and its signer. Python sends the request."""

from io import BytesIO
from urllib.request import Request, urlopen

from awscrt.auth import AwsCredentialsProvider, AwsSigningAlgorithm, AwsSigningConfig, AwsSignatureType, aws_sign_request
from awscrt.http import HttpHeaders, HttpRequest
from awscrt.io import ClientBootstrap
from probe import ADDRESS, ENDPOINT, run

BODY = b"Action=GetCallerIdentity&Version=2011-06-15"
HEADERS = [("Host", ADDRESS), ("Content-Type", "application/x-www-form-urlencoded")]
provider = AwsCredentialsProvider.new_default_chain(ClientBootstrap.get_or_create_static_default())


def call():
    config = AwsSigningConfig(
        algorithm=AwsSigningAlgorithm.V4, signature_type=AwsSignatureType.HTTP_REQUEST_HEADERS,
        credentials_provider=provider, region="us-east-1", service="sts",
    )
    signed = aws_sign_request(HttpRequest("POST", "/", HttpHeaders(HEADERS), BytesIO(BODY)), config).result(25)
    urlopen(Request(ENDPOINT, BODY, dict(signed.headers)), timeout=10).read()


run(call)
