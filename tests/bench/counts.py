"""Counts what the load of a machine does not change: instructions, bytes and crates. Fails if a count exceeds its limit in limits.toml.

    python3 tests/bench/counts.py [--update] [--profiles DIRECTORY] CREDVEND LOCAL_STS

callgrind counts the instructions of the process, not those of the kernel. --update writes the counts, plus 5 %, as the new limits;
the commit gives the reason for each limit that rises. --profiles keeps the profiles for callgrind_annotate, which shows functions if
the binary was built with `CARGO_PROFILE_RELEASE_STRIP=false CARGO_PROFILE_RELEASE_DEBUG=1`.
"""

import argparse
import ctypes
import os
import platform
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from bench import AUTHORIZATION, authorization_file
from processes import LocalSts, Sidecar, connect

HERE = os.path.dirname(os.path.abspath(__file__))
LIMITS = os.path.join(HERE, "limits.toml")
CERTIFICATES = os.path.join(HERE, "../it/tls/p521.pem")
HEADROOM = 1.05
ROUNDS = 3
REQUESTS = 10_000
# A bundle of a Linux distribution has about as many bytes.
BUNDLE_SIZE = 220 * 1024

HEADER = """\
# The limits of `just counts` for binaries with each C library: what was counted, plus 5 %. `just counts --update` writes those of the
# binary that it counts. The commit that raises a limit says why. Units: instructions, bytes, crates.
"""


def hide_auxiliary_vector():
    """Makes prctl(PR_GET_AUXV) fail in this process, which becomes valgrind.

    This call, which valgrind passes to the kernel, returns the address of the kernel's vDSO, which valgrind has removed. credvend then reads
    /proc/self/auxv, in which valgrind hides the vDSO.
    """
    pr_get_auxv, pr_set_no_new_privileges, pr_set_seccomp, filter_mode = 0x41555856, 38, 22, 2
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    allow, invalid = 0x7FFF0000, 0x00050000 | 22
    prctl = {"x86_64": 157, "aarch64": 167}[platform.machine()]
    # The number of the call is at offset 0 of the data, its first argument at 16.
    program = b"".join(struct.pack("HBBI", *instruction) for instruction in [
        (load, 0, 0, 0), (jump_if_equal, 0, 3, prctl), (load, 0, 0, 16), (jump_if_equal, 0, 1, pr_get_auxv), (give, 0, 0, invalid), (give, 0, 0, allow),
    ])
    buffer = ctypes.create_string_buffer(program)
    description = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in [(pr_set_no_new_privileges, 1, 0, 0, 0), (pr_set_seccomp, filter_mode, description, 0, 0)]:
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")


class Callgrind:
    """Counts the instructions of commands."""

    def __init__(self, directory, profiles):
        self.log = os.path.join(directory, "callgrind.log")
        self.profiles = profiles

    def command(self, name):
        """Returns the start of a command line, before the program."""
        profile = os.path.join(self.profiles, f"{name.replace(' ', '-')}.callgrind") if self.profiles else "/dev/null"
        return [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", f"--log-file={self.log}", "--quiet", "--verbose",
        ]

    def collected(self):
        """Returns the instructions of the last command."""
        with open(self.log) as file:
            text = file.read()
        found = re.findall(r"Collected\s*:\s*(\d+)", text)
        assert found, f"callgrind counted nothing: {text}"
        return int(found[-1])


def one_shot(callgrind, name, command, environment):
    """Returns the median number of instructions of a command that ends."""
    counts = []
    for _ in range(ROUNDS):
        subprocess.run(
            [*callgrind.command(name), *command], env=environment, stdout=subprocess.DEVNULL, check=True, preexec_fn=hide_auxiliary_vector,
        )
        counts.append(callgrind.collected())
    return int(statistics.median(counts))


def request_instructions(callgrind, name, credvend, environment, headers, *arguments):
    """Returns the instructions for a request on a kept connection, over REQUESTS requests."""
    start = served(callgrind, name, credvend, environment, headers, arguments, 1)
    # The last profile is the one that --profiles keeps.
    return (served(callgrind, name, credvend, environment, headers, arguments, REQUESTS + 1) - start) // REQUESTS


def served(callgrind, name, credvend, environment, headers, arguments, requests):
    """Returns the instructions of a `credvend run` that answers this many requests."""
    command = [*callgrind.command(name), credvend]
    started = Sidecar(command, environment, *arguments, headers=headers, preexec_fn=hide_auxiliary_vector)
    with started as sidecar, connect(sidecar.address) as connection:
        lines = ["GET /v1/credentials HTTP/1.1", f"Host: {sidecar.address}", *(f"{key}: {value}" for key, value in headers.items())]
        request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        length = None
        for _ in range(requests):
            connection.sendall(request)
            received = connection.recv(64 * 1024)
            while not received.endswith(b"}") or (length and len(received) < length):
                received += connection.recv(64 * 1024)
            assert received.startswith(b"HTTP/1.1 200 "), received[:200]
            length = len(received)
    return callgrind.collected()


def crates():
    """Returns the number of crates in the binary."""
    tree = subprocess.run(
        ["cargo", "tree", "--locked", "--package", "credvend", "--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"],
        cwd=HERE, check=True, capture_output=True, text=True,
    )
    return len({line.removesuffix(" (*)") for line in tree.stdout.splitlines()})


def ca_bundle(directory):
    """Writes a CA bundle with many certificates, and returns its path."""
    with open(CERTIFICATES) as file:
        certificate = re.search(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", file.read(), re.DOTALL).group()
    path = os.path.join(directory, "bundle.pem")
    with open(path, "w") as file:
        file.write(certificate * (BUNDLE_SIZE // len(certificate)))
    return path


def instructions(credvend, sts, directory, profiles=None):
    """Yields the names and numbers of instructions."""
    callgrind = Callgrind(directory, profiles)
    yield "export", one_shot(callgrind, "export", [credvend, "export"], sts.environment)
    with_bundle = {**sts.environment, "AWS_CA_BUNDLE": ca_bundle(directory)}
    yield "export with a CA bundle", one_shot(callgrind, "export with a CA bundle", [credvend, "export"], with_bundle)
    with Sidecar([credvend], sts.environment) as sidecar:
        from_endpoint = [credvend, "process", "--from-endpoint", f"http://{sidecar.address}/v1/credentials"]
        yield "process --from-endpoint", one_shot(callgrind, "process --from-endpoint", from_endpoint, {})
    yield "request", request_instructions(callgrind, "request", credvend, sts.environment, {})
    headers = {
        "Accept-Encoding": "identity", "Accept": "application/json", "User-Agent": "Botocore/1.40.0", "Authorization": AUTHORIZATION,
    }
    yield "request of an SDK with a token", request_instructions(
        callgrind, "request of an SDK with a token", credvend, sts.environment, headers,
        "--auth-token-file", authorization_file(Path(directory)),
    )


def counts(credvend, local_sts, directory, profiles):
    """Yields the names and values of all counts."""
    with LocalSts(local_sts, directory) as sts:
        yield from instructions(credvend, sts, directory, profiles)
    yield "binary", os.path.getsize(credvend)
    yield "crates", crates()


def libc(credvend):
    """Returns the C library in a static binary."""
    with open(credvend, "rb") as file:
        return "glibc" if b"glibc.malloc" in file.read() else "musl"


def table(name, limits):
    return f"\n[{name}]\n" + "".join(f'"{count}" = {limit}\n' for count, limit in limits.items())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--profiles")
    parser.add_argument("credvend")
    parser.add_argument("local_sts")
    arguments = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("counts: valgrind is not installed; run `just setup counts`")
    if arguments.profiles:
        os.makedirs(arguments.profiles, exist_ok=True)
    with open(LIMITS, "rb") as file:
        all_limits = tomllib.load(file)
    limits = all_limits.get(libc(arguments.credvend), {})
    exceeded, new_limits = [], {}
    print(f"{'Counts':<34} {'counted':>12} {'limit':>12}")
    with tempfile.TemporaryDirectory() as directory:
        for name, count in counts(arguments.credvend, arguments.local_sts, directory, arguments.profiles):
            limit = limits.get(name, 0)
            new_limits[name] = int(count * HEADROOM)
            is_exceeded = count > limit and not arguments.update
            print(f"{name:<34} {count:>12,} {limit:>12,}{'  EXCEEDED' if is_exceeded else ''}", flush=True)
            if is_exceeded:
                exceeded.append(name)
    if arguments.update:
        all_limits[libc(arguments.credvend)] = limits = new_limits
        with open(LIMITS, "w") as file:
            file.write(HEADER + "".join(table(*one) for one in sorted(all_limits.items())))
    missing = [name for name in limits if name not in new_limits]
    if exceeded or missing:
        reasons = [f"limit exceeded: {name}" for name in exceeded] + [f"not counted any more: {name}" for name in missing]
        sys.exit("\n".join([*reasons, f"Reduce the count, or raise the limit in {os.path.relpath(LIMITS)} with a reason in the commit."]))


if __name__ == "__main__":
    main()
