"""The AWS SDK for C++, which pyarrow contains."""

from probe import ADDRESS, run
from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

files = None


def call():
    global files
    if files is None:
        files = S3FileSystem(
            endpoint_override=ADDRESS, scheme="http", region="us-east-1", retry_strategy=AwsStandardS3RetryStrategy(1), request_timeout=30,
        )
    with files.open_input_stream("data/hello.txt") as stream:
        stream.read()


run(call)
