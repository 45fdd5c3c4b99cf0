"""A credentials file of 1 MiB that belongs to other profiles too: one profile in it gets new credentials."""

import configparser
import os
import random
import string
import tempfile
import time
from pathlib import Path

from bench import duration
from figure import compared
from samples import in_turn

GROUP = "Credentials file of 1 MiB with other profiles"
BEYOND, WHOLE = "`run --once`, beyond the same without other profiles", "`run --once`, STS included"
# credvend accepts files of up to 1 MiB; the rest is for its own section.
SIZE = 1024 * 1024 - 8 * 1024


def measure(bench):
    # As in a pod, the volume is in memory if the machine has one.
    volume = "/dev/shm" if os.access("/dev/shm", os.W_OK) else bench.scratch
    with tempfile.TemporaryDirectory(prefix="bench-", dir=volume) as directory:
        yield from compare(bench, Path(directory, "large"), Path(directory, "small"))


def compare(bench, large, small):
    text = others()
    large.touch(mode=0o600)
    large.write_text(text)

    def once(file):
        return duration([bench.credvend, "run", "--once", "--credentials-file", file], bench.sts.environment)

    with_large, with_small, parser = in_turn(bench.rounds(40, 5), lambda: once(large), lambda: once(small), lambda: with_configparser(large))
    assert large.read_text().startswith(text[: SIZE // 2]), "the other profiles have changed"
    beyond = [one - other for one, other in zip(with_large, with_small, strict=True)]
    yield compared(GROUP, BEYOND, "ms", beyond, "Python's configparser, in process", parser)
    if bench.aws:
        environment = {"HOME": str(bench.scratch), "AWS_SHARED_CREDENTIALS_FILE": str(large), "AWS_CONFIG_FILE": "/dev/null"}
        command = [bench.aws, "configure", "set", "aws_session_token", "x" * 800]
        ours, cli = in_turn(8, lambda: once(large), lambda: duration(command, environment))
        yield compared(GROUP, WHOLE, "ms", ours, "`aws configure set` of one key", cli)


def others():
    """Returns the text of a credentials file with many profiles."""
    letters = random.Random(1)
    sections, length = [], 0
    while length < SIZE:
        token = "".join(letters.choices(string.ascii_letters + string.digits, k=800))
        sections.append(
            f"[other-{len(sections)}]\naws_access_key_id = ASIA{len(sections):016}\naws_secret_access_key = {token[:40]}\n"
            f"aws_session_token = {token}\n\n",
        )
        length += len(sections[-1])
    return "".join(sections)


def with_configparser(file):
    """Rewrites the file with a new value in one section, as a Python program does, and returns how long it took in milliseconds."""
    started = time.perf_counter()
    parser = configparser.RawConfigParser(default_section="no default section")
    parser.read(file)
    parser["default"]["aws_session_token"] = parser["default"]["aws_session_token"][::-1]
    temporary = file.with_suffix(".new")
    with temporary.open("w") as output:
        parser.write(output)
    temporary.replace(file)
    return (time.perf_counter() - started) * 1000
