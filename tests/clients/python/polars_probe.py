import polars
from probe import ENDPOINT, run

OPTIONS = {"aws_endpoint_url": ENDPOINT, "aws_allow_http": "true"}
run(lambda: polars.scan_csv("s3://data/hello.csv", storage_options=OPTIONS).collect())
