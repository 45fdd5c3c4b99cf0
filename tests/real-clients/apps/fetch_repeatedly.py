"""An application that fetches its credentials again for every call, without a pause, and prints a line after each call."""

import boto3

while True:
    boto3.Session().client("sts").get_caller_identity()
    print("called", flush=True)
