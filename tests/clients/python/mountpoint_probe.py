"""The client of mountpoint-s3, as s3torchconnector uses it."""

from probe import ENDPOINT, run
from s3torchconnectorclient._mountpoint_s3_client import MountpointS3Client

client = None


def call():
    global client
    if client is None:
        client = MountpointS3Client(region="us-east-1", user_agent_prefix="probe", endpoint=ENDPOINT, force_path_style=True)
    list(client.list_objects("data"))


run(call)
