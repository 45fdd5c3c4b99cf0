"""An application that fetches its credentials from the container credentials endpoint every 0.2 s, and never forks.

Prints each new access key ID, and a line for each failure.
"""

import json
import os
import time
import urllib.request


def fetch():
    headers = {"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
    request = urllib.request.Request(os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"], headers=headers)
    with urllib.request.urlopen(request, timeout=5) as response:
        return json.load(response)["AccessKeyId"]


last = None
while True:
    try:
        key = fetch()
        if key != last:
            print(f"key {key}", flush=True)
        last = key
    except OSError as error:
        print(f"failed: {error}", flush=True)
    time.sleep(0.2)
