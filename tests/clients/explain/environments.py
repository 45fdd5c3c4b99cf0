"""The environments in which `credvend explain` is compared with the SDKs."""

from __future__ import annotations

from dataclasses import dataclass, field

URL = "http://127.0.0.1:9911/v1/credentials"
FULL = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": URL}
ENDPOINT = FULL | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{dir}/authorization"}
TOKEN_VARIABLE = FULL | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "opaque"}
WEBHOOK = {
    "AWS_ROLE_ARN": "arn:aws:iam::111111111111:role/account-a-role",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "{dir}/token",
}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00000", "AWS_SECRET_ACCESS_KEY": "secret"}
RELATIVE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
METADATA = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9912"}
PROXY = {"HTTP_PROXY": "http://127.0.0.1:3128", "http_proxy": "http://127.0.0.1:3128"}

SECTION = "aws_access_key_id = AKIAKEYS000000000000\naws_secret_access_key = secret\naws_session_token = token\n"
BY_CREDVEND = f"# credvend: expires 2099-01-01T00:00:00Z\n[default]\n{SECTION}"
PROCESS = "credential_process = {dir}/credvend process --from-endpoint\n"
ROLE = "role_arn = arn:aws:iam::222222222222:role/account-b-role\n"
SSO = {
    "sso_start_url": "https://portal.invalid/start",
    "sso_region": "us-east-1",
    "sso_account_id": "111111111111",
    "sso_role_name": "Reader",
}


@dataclass
class Environment:
    """Variables and files. `{dir}` stands for the home directory."""

    name: str
    variables: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)


CONFIG, CREDENTIALS = ".aws/config", ".aws/credentials"

ENVIRONMENTS = [
    Environment("endpoint, token file", ENDPOINT),
    Environment("endpoint, token variable", TOKEN_VARIABLE),
    Environment("endpoint, no token", FULL),
    Environment("webhook", WEBHOOK),
    Environment("webhook + endpoint", WEBHOOK | ENDPOINT),
    Environment("keys + endpoint", KEYS | ENDPOINT),
    Environment("keys + webhook", KEYS | WEBHOOK),
    Environment("half a key pair + endpoint", {"AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00000"} | ENDPOINT),
    Environment("AWS_PROFILE static + endpoint", ENDPOINT | {"AWS_PROFILE": "app"}, {CREDENTIALS: f"[app]\n{SECTION}"}),
    Environment("AWS_PROFILE static + keys", KEYS | {"AWS_PROFILE": "app"}, {CREDENTIALS: f"[app]\n{SECTION}"}),
    Environment("AWS_PROFILE absent + endpoint", ENDPOINT | {"AWS_PROFILE": "absent"}),
    Environment(
        "AWS_PROFILE not in file + endpoint", ENDPOINT | {"AWS_PROFILE": "absent"}, {CREDENTIALS: f"[app]\n{SECTION}"}
    ),
    Environment("AWS_PROFILE absent + keys", KEYS | {"AWS_PROFILE": "absent"}),
    Environment("AWS_DEFAULT_PROFILE", ENDPOINT | {"AWS_DEFAULT_PROFILE": "app"}, {CREDENTIALS: f"[app]\n{SECTION}"}),
    Environment("credentials file by credvend", {}, {CREDENTIALS: BY_CREDVEND}),
    Environment("credentials file by path", {"AWS_SHARED_CREDENTIALS_FILE": "{dir}/elsewhere"}, {"elsewhere": BY_CREDVEND}),
    Environment("AWS_CREDENTIAL_PROFILES_FILE", {"AWS_CREDENTIAL_PROFILES_FILE": "{dir}/elsewhere"}, {"elsewhere": BY_CREDVEND}),
    Environment("stale keys in file + endpoint", ENDPOINT, {CREDENTIALS: f"[default]\n{SECTION}"}),
    Environment("stale keys in config + endpoint", ENDPOINT, {CONFIG: f"[default]\n{SECTION}"}),
    Environment("keys in file + webhook", WEBHOOK, {CREDENTIALS: f"[default]\n{SECTION}"}),
    *(
        Environment(f"{key} beside keys in file", {}, {CREDENTIALS: f"[default]\n{SECTION}{key} = {value}\n"})
        for key, value in SSO.items()
    ),
    Environment("credential_process", {}, {CONFIG: f"[default]\n{PROCESS}"}),
    Environment("credential_process + webhook", WEBHOOK, {CONFIG: f"[default]\n{PROCESS}"}),
    Environment("credential_process + keys in file", {}, {CONFIG: f"[default]\n{PROCESS}", CREDENTIALS: BY_CREDVEND}),
    Environment("credential_process, LOAD_CONFIG", {"AWS_SDK_LOAD_CONFIG": "1"}, {CONFIG: f"[default]\n{PROCESS}"}),
    Environment("region in config + endpoint", ENDPOINT, {CONFIG: "[default]\nregion = eu-west-1\n"}),
    Environment(
        "role with source_profile",
        {"AWS_SDK_LOAD_CONFIG": "1"},
        {CONFIG: f"[default]\nsource_profile = base\n{ROLE}", CREDENTIALS: f"[base]\n{SECTION}"},
    ),
    Environment(
        "role with EcsContainer", ENDPOINT | {"AWS_PROFILE": "app"}, {CONFIG: f"[profile app]\ncredential_source = EcsContainer\n{ROLE}"}
    ),
    Environment(
        "web identity in profile",
        {"AWS_PROFILE": "app", "AWS_SDK_LOAD_CONFIG": "1"},
        {CONFIG: f"[profile app]\nweb_identity_token_file = {{dir}}/token\n{ROLE}"},
    ),
    Environment("token file with newline", FULL | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{dir}/newline"}),
    Environment("token variable with newline", FULL | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "opaque\n"}),
    Environment("token file absent", FULL | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{dir}/absent"}),
    Environment(
        "token file absent, token variable", TOKEN_VARIABLE | {"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{dir}/absent"}
    ),
    Environment("web identity token absent", ENDPOINT | WEBHOOK | {"AWS_WEB_IDENTITY_TOKEN_FILE": "{dir}/absent"}),
    Environment("web identity without role", ENDPOINT | {"AWS_WEB_IDENTITY_TOKEN_FILE": "{dir}/token"}),
    Environment("relative URI", {RELATIVE: "/v1/credentials"}),
    Environment("relative URI, token variable", {RELATIVE: "/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "opaque"}),
    Environment(
        "relative URI, token file",
        {RELATIVE: "/v1/credentials", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "{dir}/authorization"},
    ),
    Environment("relative URI, HTTP_PROXY", {RELATIVE: "/v1/credentials"} | PROXY),
    Environment("both URIs", ENDPOINT | {RELATIVE: "/v2/credentials/task"}),
    Environment("empty relative URI", ENDPOINT | {RELATIVE: ""}),
    Environment("empty full URI", {"AWS_CONTAINER_CREDENTIALS_FULL_URI": ""}),
    Environment("HTTP_PROXY", ENDPOINT | PROXY),
    Environment("HTTP_PROXY in upper case only", ENDPOINT | {"HTTP_PROXY": "http://127.0.0.1:3128"}),
    Environment("HTTP_PROXY, NO_PROXY", ENDPOINT | PROXY | {"NO_PROXY": "10.0.0.1,127.0.0.1", "no_proxy": "10.0.0.1,127.0.0.1"}),
    Environment("HTTP_PROXY, NO_PROXY network", ENDPOINT | PROXY | {"NO_PROXY": "127.0.0.0/8", "no_proxy": "127.0.0.0/8"}),
    Environment("ALL_PROXY", ENDPOINT | {"ALL_PROXY": "http://127.0.0.1:3128"}),
    Environment("host [::1]", ENDPOINT | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://[::1]:9911/v1/credentials"}),
    Environment("host localhost", ENDPOINT | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://localhost:9911/v1/credentials"}),
    Environment("host 127.0.1.1", ENDPOINT | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.1.1:9911/v1/credentials"}),
    Environment("host 10.0.0.1", ENDPOINT | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://10.0.0.1:9911/v1/credentials"}),
    Environment("host 169.254.170.23", ENDPOINT | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"}),
    Environment("IMDS endpoint variable", METADATA),
    Environment("IMDS endpoint variable, HTTP_PROXY", METADATA | PROXY),
    Environment("IMDS disabled", {"AWS_EC2_METADATA_DISABLED": "true"}),
    Environment("IMDS disabled, endpoint", ENDPOINT | {"AWS_EC2_METADATA_DISABLED": "true"}),
    Environment("nothing", {}),
    Environment("nothing, HTTP_PROXY", PROXY),
]
