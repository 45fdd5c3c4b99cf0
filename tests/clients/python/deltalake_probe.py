from deltalake import DeltaTable
from probe import ENDPOINT, run

table = None


def call():
    global table
    if table is None:
        table = DeltaTable("s3://data/table", storage_options={"AWS_ENDPOINT_URL": ENDPOINT, "AWS_ALLOW_HTTP": "true"})
    table.update_incremental()


run(call)
