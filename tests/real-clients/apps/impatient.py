"""An application that fetches its credentials anew for every call, without a pause, and says so each time."""

import boto3

while True:
    boto3.Session().client("sts").get_caller_identity()
    print("called", flush=True)
