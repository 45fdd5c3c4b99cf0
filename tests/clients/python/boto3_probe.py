import boto3
from botocore.config import Config
from probe import ENDPOINT, run

client = None


def call():
    global client
    if client is None:
        # Creating a client fetches credentials, which may fail.
        client = boto3.client("sts", endpoint_url=ENDPOINT, config=Config(retries={"total_max_attempts": 1}))
    client.get_caller_identity()


run(call)
