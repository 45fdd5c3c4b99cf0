from probe import ENDPOINT, run
from pyiceberg.io.pyarrow import PyArrowFileIO

files = PyArrowFileIO({"s3.endpoint": ENDPOINT, "s3.region": "us-east-1", "s3.request-timeout": "30"})


def call():
    with files.new_input("s3://data/hello.txt").open() as stream:
        stream.read()


run(call)
