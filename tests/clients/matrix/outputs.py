"""The outputs of credvend, and what an application gets for each: options of `credvend run` and variables of the client."""

from collections.abc import Callable
from dataclasses import dataclass

from matrix import network


@dataclass(frozen=True)
class Output:
    # As in the table.
    name: str
    title: str
    # Options of `credvend run`; None if the output needs no running sidecar.
    options: Callable | None
    # The client's variables.
    variables: Callable
    # True if a client that keeps running can get new credentials by it.
    renews: bool = True
    # True if it needs an address of the link-local agents, and therefore a network namespace.
    namespace: bool = False
    # `endpoint` and `metadata` can be spied on and spoiled in between; `file`, `variables` and `exec` cannot.
    kind: str = "endpoint"


def _authorization(rig):
    return ["--auth-token-file", rig.authorization]


def _full_uri(rig):
    return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{rig.endpoint_url}/v1/credentials"}


def _token_file(rig):
    return {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": rig.authorization}


RELATIVE_URI = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v1/credentials"}

_ALL = [
    Output("EF", "endpoint, with a token file", _authorization, lambda rig: {**_full_uri(rig), **_token_file(rig)}),
    Output(
        "EV", "endpoint, with the token in a variable", _authorization,
        lambda rig: {**_full_uri(rig), "AWS_CONTAINER_AUTHORIZATION_TOKEN": rig.authorization.read_text()},
    ),
    Output("E0", "endpoint, without a token", lambda rig: [], _full_uri),
    Output(
        "CF", "credentials file", lambda rig: ["--credentials-file", rig.credentials_file],
        lambda rig: {"AWS_SHARED_CREDENTIALS_FILE": rig.credentials_file}, renews=False, kind="file",
    ),
    Output(
        "CP", "config file with `credential_process`",
        lambda rig: ["--config-file", rig.config_file, "--config-file-binary", rig.installed_binary()],
        lambda rig: {"AWS_CONFIG_FILE": rig.config_file}, kind="file",
    ),
    Output("XP", "`credvend export`", None, lambda rig: rig.exported_variables(), renews=False, kind="variables"),
    Output("EX", "`credvend exec`", None, lambda rig: {}, kind="exec"),
    Output(
        "IM", "instance metadata, by variable", lambda rig: ["--imds-listen", rig.metadata_address],
        lambda rig: {"AWS_EC2_METADATA_SERVICE_ENDPOINT": rig.metadata_url}, kind="metadata",
    ),
    Output(
        "I254", "instance metadata, at its own address", lambda rig: ["--imds-listen", f"{network.METADATA}:80"],
        lambda rig: {}, namespace=True, kind="fixed",
    ),
    Output(
        "R", "relative URI, without a token", lambda rig: ["--listen", f"{network.AGENT}:80"],
        lambda rig: RELATIVE_URI, namespace=True, kind="fixed",
    ),
    Output(
        "RT", "relative URI, with a token file", lambda rig: ["--listen", f"{network.AGENT}:80", *_authorization(rig)],
        lambda rig: {**RELATIVE_URI, **_token_file(rig)}, namespace=True, kind="fixed",
    ),
    Output(
        "PI", "endpoint at the address of EKS Pod Identity, with a token file",
        lambda rig: ["--listen", f"{network.POD_IDENTITY}:80", *_authorization(rig)],
        lambda rig: {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{network.POD_IDENTITY}/v1/credentials", **_token_file(rig)},
        namespace=True, kind="fixed",
    ),
]
OUTPUTS = {output.name: output for output in _ALL}
