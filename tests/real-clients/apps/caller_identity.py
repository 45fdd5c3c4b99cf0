"""An application that prints its identity, its credentials and the credentials provider that boto3 used."""

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
