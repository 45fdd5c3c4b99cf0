"""A client of the matrix, and the registry of all clients.

How to add a client:

1. Create a folder beside this package, or use one that has clients of the same installation, such as `python`.
2. Write a probe: a program that makes one signed call to PROBE_ENDPOINT each time a line arrives on stdin, with the client's own default
   credentials, and prints one line: `ok`, or `error` and a message without line breaks. It ends with stdin. It prints no credentials:
   the gate behind PROBE_ENDPOINT sees which access key signed the call. The call is sts:GetCallerIdentity, or for a client without STS
   any S3 request to the bucket `data` (path style), which holds `hello.txt`, `hello.csv` and the Delta table `table`. Switch retries of
   the call off where the client has such an option; leave the client's credentials provider as it is. Create the client object once.
   A program that ends after each call (rclone, a CLI) needs no probe: with `repeats=False` the suite runs the command for each call.
3. Add a `Client` to the list CLIENTS in the folder's `clients.py`. The suite imports every `*/clients.py`.
4. Pin everything: requirements.txt with all versions, package-lock.json, go.sum, Cargo.lock, a pom.xml with versions. Installers are
   in `install.py`; they install below the target directory. A client that cannot be installed is shown as not tried.
5. Run `just client-matrix --only NAME`. Put outputs that cannot work into `fails` with the reason, which the README shows as a note.
   The suite fails if an output in `fails` works after all. If a setting of the client makes an output work, put it into `needs`.
6. Run `just client-matrix --only NAME --break`: each broken answer must turn the client's cell red.

A call that needs more than the variables can have them in `command` and `needs`: `{ENDPOINT}`, `{ADDRESS}`, `{HOME}` and `{PLACE}` stand
for the gate's URL and address, the home directory and the client's place, and the names of the output's variables for their values.

Environment of a probe: PATH, an empty HOME, AWS_REGION, AWS_DEFAULT_REGION, PROBE_ENDPOINT (the gate's URL), the variables of the
output, and the client's `variables`. Nothing else is inherited.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

SUITE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Need:
    """A setting of the client without which an output does not work."""

    note: str
    # Variables, and further arguments of the command; `{NAME}` stands for a variable of the output.
    variables: dict = field(default_factory=dict)
    arguments: tuple = ()


@dataclass(frozen=True)
class Client:
    # For `--only` and the table: lower case, without blanks.
    name: str
    # Name and version for readers.
    title: str
    # Clients of one family share their credentials code; the core of the matrix has one client of each family.
    family: str
    # Installs the client below the target directory and returns its place. See `install.py`.
    install: Callable
    # Returns the command of the probe, given the place.
    command: Callable
    # `sts`, or `s3` for clients without STS.
    service: str = "sts"
    # True if this client stands for its family in the core.
    core: bool = False
    # False if the command makes one call and ends.
    repeats: bool = True
    variables: dict = field(default_factory=dict)
    # Output name → why this client cannot use it.
    fails: dict = field(default_factory=dict)
    # Output name → `Need`.
    needs: dict = field(default_factory=dict)
    # (Output name, check name) → why the check cannot pass, although the output works.
    exceptions: dict = field(default_factory=dict)
    # Seconds for a call, including the start of the program.
    patience: float = 30
    # True if several copies at the same time are too much for a small machine.
    heavy: bool = False


def all_clients():
    """Returns the clients of all folders, by name."""
    clients = {}
    for file in sorted(SUITE.glob("*/clients.py")):
        specification = importlib.util.spec_from_file_location(f"clients_{file.parent.name}", file)
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        for client in module.CLIENTS:
            if client.name in clients:
                raise ValueError(f"{file}: there are two clients with the name {client.name}")
            clients[client.name] = client
    return clients
