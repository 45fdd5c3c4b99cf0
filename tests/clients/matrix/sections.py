"""Settings in the section of the credentials file that credvend writes, and with which of them a client does not use its keys.

credvend warns when it writes a section that SDKs will not use (src/shared_file/concerns.rs). The warning must name every setting with
which any client turns to another source, or fails.
"""

from matrix.outcome import Outcome, judge
from support.roles import ROLE_B

# Each is tried by itself. Those with which some client does not use the keys are in the warning of credvend.
SOURCES = {
    "role_arn": ROLE_B,
    "source_profile": "other",
    "credential_source": "Ec2InstanceMetadata",
    "web_identity_token_file": "/absent",
    "sso_session": "portal",
    "sso_start_url": "https://portal.invalid/start",
    "sso_region": "us-east-1",
    "sso_account_id": "111111111111",
    "sso_role_name": "Reader",
    "login_session": "arn:aws:iam::111111111111:user/reader",
    "credential_process": "/bin/false",
}
# These are tried together: no client may mind them, and credvend must not warn.
OTHERS = {
    "region": "us-east-1",
    "output": "json",
    "sso_registration_scopes": "sso:account:access",
    "mfa_serial": "arn:aws:iam::111111111111:mfa/reader",
    "external_id": "external",
    "role_session_name": "session",
    "duration_seconds": "900",
    "aws_account_id": "111111111111",
    "services": "absent",
    "endpoint_url": "http://127.0.0.1:9",
    "expiration": "2001-01-01T00:00:00Z",
    # credvend removes it: botocore prefers it to `aws_session_token`.
    "aws_security_token": "old",
}
# Keys that no STS knows.
OTHER_SECTION = "[other]\naws_access_key_id = AKIAOTHER00000000000\naws_secret_access_key = other\n"


def section(rig, client, place):
    """The section also has a setting of another source; says with which the client does not use credvend's keys."""
    warning, outcome = attempt(rig, client, place, OTHERS)
    if "also has" in warning:
        return Outcome(False, "needless warning", warning)
    if not outcome.ok:
        return outcome
    unused, silent = [], {}
    for name, value in SOURCES.items():
        warning, outcome = attempt(rig, client, place, {name: value})
        if not outcome.ok:
            unused.append(name)
            if f"also has {name}:" not in warning:
                silent[name] = outcome.details
    if silent:
        return Outcome(False, f"no warning of {', '.join(silent)}", str(silent))
    return Outcome(True, f"not used with {', '.join(unused)}" if unused else "always used")


def attempt(rig, client, place, settings):
    """Returns what credvend says when it writes the section, and the outcome of a call with it."""
    lines = "".join(f"{name} = {value}\n" for name, value in settings.items())
    rig.credentials_file.write_text(f"[default]\n{lines}{OTHER_SECTION}")
    warning = rig.write_once()
    with rig.probe(client, place) as probe:
        return warning, judge(probe.call())
