import s3fs
from probe import ENDPOINT, run

files = s3fs.S3FileSystem(endpoint_url=ENDPOINT, config_kwargs={"retries": {"total_max_attempts": 1}})
files.retries = 1
run(lambda: files.ls("data", refresh=True))
