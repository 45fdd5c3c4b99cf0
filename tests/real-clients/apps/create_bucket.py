"""An application that creates a bucket and prints the names of all buckets: `create_bucket.py BUCKET`."""

import sys

import boto3

s3 = boto3.client("s3")
s3.create_bucket(Bucket=sys.argv[1])
for bucket in s3.list_buckets()["Buckets"]:
    print(bucket["Name"])
