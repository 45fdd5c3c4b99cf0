"""An application that keeps one client and calls STS until its credentials have changed CHANGES times.

`long_running.py CHANGES SECONDS` exits with an error after one failed call, or after SECONDS. It prints each set of
credentials that it used, and at the end the number of calls.
"""

import json
import sys
import time

import boto3
from botocore.config import Config

changes, deadline = int(sys.argv[1]), time.monotonic() + float(sys.argv[2])
session = boto3.Session()
sts = session.client("sts", config=Config(retries={"total_max_attempts": 1}))
calls, keys = 0, []
while len(keys) <= changes:
    if time.monotonic() > deadline:
        sys.exit(f"only {len(keys)} access keys in {calls} calls")
    sts.get_caller_identity()
    calls += 1
    frozen = session.get_credentials().get_frozen_credentials()
    if frozen.access_key not in keys:
        keys.append(frozen.access_key)
        print(json.dumps({
            "AccessKeyId": frozen.access_key,
            "SecretAccessKey": frozen.secret_key,
            "SessionToken": frozen.token,
        }), flush=True)
    time.sleep(0.3)
print(json.dumps({"Calls": calls}))
