"""GDAL's /vsis3/ reads the layers of a file in the bucket `data` for each line on stdin."""

import sys

import pyogrio

for _ in sys.stdin:
    try:
        pyogrio.list_layers("/vsis3/data/hello.csv")
        print("ok", flush=True)
    except Exception as error:
        print(f"error {' '.join(str(error).split())}", flush=True)
