"""An application that makes the bucket it was told to, and prints the names of all it sees."""

import sys

import boto3

s3 = boto3.client("s3")
s3.create_bucket(Bucket=sys.argv[1])
for bucket in s3.list_buckets()["Buckets"]:
    print(bucket["Name"])
