"""An application that asks who it is, and tells how it found its credentials."""

import json

import boto3

session = boto3.Session()
identity = session.client("sts").get_caller_identity()
credentials = session.get_credentials()
frozen = credentials.get_frozen_credentials()
print(json.dumps({
    "Arn": identity["Arn"],
    "Account": identity["Account"],
    "Provider": credentials.method,
    "AccessKeyId": frozen.access_key,
    "SecretAccessKey": frozen.secret_key,
    "SessionToken": frozen.token,
}))
