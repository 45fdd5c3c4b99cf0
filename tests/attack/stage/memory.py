"""Counts the copies of secrets in the memory of a process, as root on the node could find them."""

import os
import signal
from pathlib import Path

# A freed block keeps most of its content, but an allocator overwrites its first bytes. So the count of a secret is the highest
# count of its parts.
PART = 20


def count_secrets(pid, secrets):
    """Returns the number of copies of each secret in the writable memory of a process, which is stopped meanwhile.

    The secrets are texts of at least 20 characters. Needs root or CAP_SYS_PTRACE.
    """
    parts = {secret: _parts(secret.encode()) for secret in secrets}
    counts = {secret: dict.fromkeys(of_secret, 0) for secret, of_secret in parts.items()}
    for content in writable_memory(pid):
        for secret, of_secret in counts.items():
            for part in of_secret:
                of_secret[part] += content.count(part)
    return {secret: max(of_secret.values()) for secret, of_secret in counts.items()}


def writable_memory(pid):
    """Returns the content of each writable mapping of a process."""
    os.kill(pid, signal.SIGSTOP)
    try:
        with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
            return [content for begin, end in _writable_mappings(pid) if (content := _read(memory, begin, end))]
    finally:
        os.kill(pid, signal.SIGCONT)


def _parts(secret):
    """Returns the first, the middle and the last part of a secret, without a prefix that all secrets of a kind share."""
    length = len(secret)
    starts = {length // 4 if length >= 4 * PART else 0, (length - PART) // 2, length - PART}
    return {secret[start:start + PART] for start in starts}


def _writable_mappings(pid):
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        addresses, permissions, *rest = line.split()
        if permissions[1] == "w" and rest[-1] not in ("[vvar]", "[vsyscall]"):
            begin, _, end = addresses.partition("-")
            yield int(begin, 16), int(end, 16)


def _read(memory, begin, end):
    try:
        memory.seek(begin)
        content = b""
        while len(content) < end - begin:
            more = memory.read(end - begin - len(content))
            if not more:
                break
            content += more
        return content
    except OSError:
        # A mapping that cannot be read, such as one of a device.
        return b""
