"""Reads a credentials file in a loop until stdin is closed: `reader.py FILE SECTION…`.

Prints the number of reads and of torn reads as JSON. A read is torn if a section or one of its three keys is missing, or if a
line is cut.
"""

import json
import re
import select
import sys
import time

KEYS = (
    rb"aws_access_key_id ?= ?\w{20}\n", rb"aws_secret_access_key ?= ?[\w/+=]{40}\n", rb"aws_session_token ?= ?[\w/+=]{800,}\n",
)


def torn(text, names):
    parts = dict(re.findall(rb"^\[([^\]]+)\]\n((?:(?!\[).*\n?)*)", text, re.MULTILINE))
    return any(not re.search(key, parts.get(name, b"")) for name in names for key in KEYS) or not text.endswith(b"\n")


def main(file, *names):
    names = [name.encode() for name in names]
    reads = torn_reads = 0
    example = None
    while reads % 50 or not select.select([sys.stdin], [], [], 0)[0]:
        try:
            with open(file, "rb") as opened:
                text = opened.read()
        except FileNotFoundError:
            text = b""
        reads += 1
        # Leaves the processor to the writers.
        time.sleep(0.002)
        if torn(text, names):
            torn_reads += 1
            example = example or text[-300:].decode(errors="replace")
    json.dump({"reads": reads, "torn": torn_reads, "example": example}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
