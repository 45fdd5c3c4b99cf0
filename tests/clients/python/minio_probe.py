"""minio-py, with the chain of providers that its documentation shows."""

from minio import Minio
from minio.credentials import AWSConfigProvider, ChainedProvider, EnvAWSProvider, IamAwsProvider
from probe import ADDRESS, run

chain = ChainedProvider([EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider()])
client = Minio(ADDRESS, credentials=chain, secure=False, region="us-east-1")
run(lambda: client.stat_object("data", "hello.txt"))
