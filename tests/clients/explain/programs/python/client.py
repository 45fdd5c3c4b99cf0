"""Makes a Python package get credentials: boto3, crt, cpp (PyArrow), object_store (obstore) or libcurl (GDAL in pyogrio).

The first two print the access key ID. The others send a signed request to S3 at EXPLAIN_S3, which notes the key.
"""

import os
import sys


def boto3() -> None:
    import boto3

    credentials = boto3.Session().get_credentials()
    print(credentials.get_frozen_credentials().access_key if credentials else "")


def crt() -> None:
    from awscrt import auth, io

    bootstrap = io.ClientBootstrap.get_or_create_static_default()
    provider = auth.AwsCredentialsProvider.new_default_chain(bootstrap)
    print(provider.get_credentials().result(30).access_key_id)


def cpp() -> None:
    from pyarrow import fs

    files = fs.S3FileSystem(endpoint_override=os.environ["EXPLAIN_S3"], scheme="http", region="eu-central-1")
    files.get_file_info("bucket/key")


def object_store() -> None:
    import obstore
    from obstore.store import S3Store

    endpoint = f"http://{os.environ['EXPLAIN_S3']}"
    store = S3Store("bucket", endpoint=endpoint, client_options={"allow_http": True}, retry_config={"max_retries": 0})
    obstore.head(store, "key")


def libcurl() -> None:
    os.environ.update(AWS_S3_ENDPOINT=os.environ["EXPLAIN_S3"], AWS_HTTPS="NO", AWS_VIRTUAL_HOSTING="FALSE")
    os.environ.update(CPL_AWS_STS_ROOT_URL=os.environ["AWS_ENDPOINT_URL_STS"])
    import pyogrio

    pyogrio.vsi_listtree("/vsis3/bucket")


if __name__ == "__main__":
    try:
        globals()[sys.argv[1]]()
    except Exception as error:  # noqa: BLE001: every error of the client is a result.
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
