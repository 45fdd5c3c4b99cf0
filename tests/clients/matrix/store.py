"""S3 by moto, in this process, with the bucket that probes use."""

import functools
import json
import threading

_lock = threading.Lock()

SCHEMA = {"type": "struct", "fields": [{"name": "a", "type": "long", "nullable": True, "metadata": {}}]}
DELTA_LOG = "\n".join(json.dumps(action) for action in [
    {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}},
    {"metaData": {"id": "0", "format": {"provider": "parquet", "options": {}}, "schemaString": json.dumps(SCHEMA),
                  "partitionColumns": [], "configuration": {}, "createdTime": 0}},
])
OBJECTS = {"hello.txt": "hello\n", "hello.csv": "a,b\n1,2\n", "table/_delta_log/00000000000000000000.json": DELTA_LOG}


@functools.cache
def _application():
    from moto.server import create_backend_app
    from werkzeug.test import Client

    client = Client(create_backend_app("s3"))
    client.put("/data", headers={"Host": "localhost"})
    for name, text in OBJECTS.items():
        client.put(f"/data/{name}", data=text.encode(), headers={"Host": "localhost"})
    return client


def answer(method, target, headers, body):
    """Answers a verified request."""
    headers = {name: value for name, value in headers.items() if name not in ("content-length", "transfer-encoding", "connection")}
    # moto is not made for several threads at once.
    with _lock:
        response = _application().open(target, method=method, headers=headers, data=body)
        return response.status_code, list(response.headers), response.get_data()
