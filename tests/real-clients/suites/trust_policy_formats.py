"""`credvend trust-policy`: each format, read by a library of the tool that uses it.

The JSON format is the reference: tests/it/trust_policy.rs enforces its policies. Terraform's and CloudFormation's formats must hold
the same policies, and eksctl's the policies of the role that it creates.
"""

import json
import os
import re
import shutil

import hcl2
import jsonschema
import yaml
from cfnlint import api as cfnlint

from support.checks import CheckFailed
from support.commands import run_command, stdout_of
from support.credvend import run_credvend
from support.roles import ROLE_A, ROLE_B
from support.tokens import unsigned_token

ROLE_C = "arn:aws:iam::333333333333:role/team/account-c-role"
ISSUER = "https://oidc.eks.eu-central-1.amazonaws.com/id/ABCDEF"
CHAIN = [
    "--chain-role-arn", ROLE_B, "--chain-role-arn", ROLE_C, "--session-tag=pod", "--session-tag=team=a",
    "--transitive-tag=team", "--source-identity=ops", "--external-id=shared/word",
]
# A role of the first account that trusts a role of the second account.
BACK = ["--chain-role-arn", ROLE_B, "--chain-role-arn", "arn:aws:iam::111111111111:role/back"]
HOSTILE = "system:serviceaccount:shop:x\"\n- evil: ${file(\"/etc/passwd\")} %{if true} $${a}\r\x85\u2028\ufeff\uffff\x1b[2J\\\" # '}]\U0001f600"

# The module whose schema eksctl publishes.
EKSCTL = "github.com/weaveworks/eksctl@v0.215.0"
SCHEMA = "pkg/apis/eksctl.io/v1alpha5/assets/schema.json"


def run(context, check):
    directory = context.directory("trust-policy")
    schema = eksctl_schema(check)
    cases = [
        ("one role", {}, []),
        ("three accounts", {}, CHAIN),
        ("two accounts that trust each other", {}, BACK),
        ("the whole namespace", {}, ["--namespace-wide", "--chain-role-arn", ROLE_B]),
        ("the last role directly", {}, ["--direct", "--chain-role-arn", ROLE_B]),
        ("several audiences", {"aud": ["sts.amazonaws.com", "it's \"quoted\""]}, ["--chain-role-arn", ROLE_B]),
        ("hostile claims", {"sub": HOSTILE}, ["--chain-role-arn", ROLE_B]),
    ]
    for title, claims, options in cases:
        token_file = directory / "token"
        token_file.write_text(unsigned_token(iss=ISSUER, **claims))

        def printed(output_format):
            variables = {"AWS_ROLE_ARN": ROLE_A, "AWS_WEB_IDENTITY_TOKEN_FILE": token_file}
            return stdout_of(run_credvend(context, "trust-policy", "--format", output_format, *options, **variables))

        expected = reference(json.loads(printed("json")))
        check.equal(f"{title}: terraform", terraform(printed("terraform")), expected)
        check.equal(f"{title}: cloudformation", cloudformation(printed("cloudformation")), expected)
        eksctl(check, title, printed("eksctl"), expected, schema)


def reference(document):
    """Returns the policies by kind and role, and the identity providers by account."""
    policies = {(entry["kind"], entry["role_arn"]): entry["policy"] for entry in document["documents"]}
    providers = {entry["account_id"]: (entry["url"], entry["client_ids"]) for entry in document["identity_providers"]}
    return policies, providers


def terraform(text):
    configuration = hcl2.loads(text)
    accounts = {}
    for block in configuration["provider"]:
        provider = block['"aws"']
        accounts["${aws.%s}" % decoded(provider["alias"])] = decoded(provider["allowed_account_ids"])[0]
    resources = {}
    for block in configuration["resource"]:
        for kind, labels in block.items():
            for label, resource in labels.items():
                resources[decoded(kind), decoded(label)] = resource
    policies, providers, names = {}, {}, {}
    for (kind, label), resource in resources.items():
        account = accounts[resource["provider"]]
        if kind == "aws_iam_openid_connect_provider":
            providers[account] = decoded(resource["url"]), decoded(resource["client_id_list"])
        if kind == "aws_iam_role":
            path = decoded(resource.get("path", '"/"'))
            names[label] = f"arn:aws:iam::{account}:role{path}{decoded(resource['name'])}"
            policies["trust_policy", names[label]] = encoded(resource["assume_role_policy"])
        for dependency in resource.get("depends_on", []):
            referenced = tuple(dependency.removeprefix("${").removesuffix("}").split("."))
            if referenced not in resources:
                raise CheckFailed(f"terraform: no resource {referenced}")
    for (kind, label), resource in resources.items():
        if kind == "aws_iam_role_policy":
            label = re.fullmatch(r"\$\{aws_iam_role\.(\w+)\.name\}", resource["role"])[1]
            policies["permission_policy", names[label]] = encoded(resource["policy"])
    return policies, providers


def encoded(expression):
    """Returns the argument of `jsonencode`."""
    argument = re.fullmatch(r"\$\{jsonencode\((.*)\)\}", expression, re.DOTALL)[1]
    return decoded(hcl2.loads(f"value = {argument}\n")["value"])


def decoded(value):
    """Returns a value of python-hcl2, which keeps strings as they are written. An unescaped template is a failure."""
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if isinstance(value, dict):
        return {decoded(key): decoded(item) for key, item in value.items() if key != "__is_block__"}
    if not value.startswith('"'):
        return value
    text = value[1:-1]
    if "${" in text or "%{" in text:
        raise CheckFailed(f"terraform: a template in {value}")
    # The escapes that credvend writes are those of JSON, except \U.
    text = re.sub(r"(?<!\\)((?:\\\\)*)\\U([0-9a-f]{8})", lambda match: match[1] + chr(int(match[2], 16)), text)
    return json.loads(f'"{text}"')


def cloudformation(text):
    policies, providers, existing = {}, {}, set()
    for document in text.split("\n---\n")[1:]:
        matches = cfnlint.lint(document)
        if matches:
            raise CheckFailed(f"cfn-lint: {[str(match) for match in matches]}")
        template = yaml.safe_load(document)
        account = template["Description"].split()[-1]
        for resource in template["Resources"].values():
            properties = resource["Properties"]
            if resource["Type"] == "AWS::IAM::OIDCProvider":
                providers[account] = properties["Url"], properties["ClientIdList"]
                continue
            role = f"arn:aws:iam::{account}:role{properties['Path']}{properties['RoleName']}"
            policies["trust_policy", role] = properties["AssumeRolePolicyDocument"]
            for policy in properties.get("Policies", []):
                policies["permission_policy", role] = policy["PolicyDocument"]
            for statement in properties["AssumeRolePolicyDocument"]["Statement"]:
                principal = statement["Principal"].get("AWS")
                if principal and principal not in existing:
                    raise CheckFailed(f"cloudformation: {principal} is created after {role}")
            existing.add(role)
    return policies, providers


def eksctl(check, title, text, expected, schema):
    config = yaml.safe_load(text)
    if schema:
        jsonschema.validate(config, schema)
    policies, _ = expected
    accounts = {account["roleName"]: account for account in config["iam"]["serviceAccounts"]}
    for account in accounts.values():
        role = f"arn:aws:iam::111111111111:role/{account['roleName']}"
        subject = "system:serviceaccount:{namespace}:{name}".format(**account["metadata"])
        (statement,) = policies["trust_policy", role]["Statement"]
        condition = statement["Condition"]["StringEquals"]
        check.equal(f"{title}: eksctl, subject of {role}", condition[f"{ISSUER[8:]}:sub"], subject)
        check.equal(f"{title}: eksctl, policy of {role}", account.get("attachPolicy"), policies.get(("permission_policy", role)))
    comments = [line.removeprefix("# ") for line in text.splitlines() if line.startswith("# ")]
    for kind, role in policies:
        if role.rpartition("/")[2] not in accounts:
            name = kind.replace("_", " ")
            said = any(comment.startswith((f"{name} of {role},", f"{name} for {role},")) for comment in comments)
            check.that(f"{title}: eksctl, a comment has the {name} of {role}", said, text)


def eksctl_schema(check):
    """Returns the JSON schema of eksctl, which is a part of its Go module, or `None` without Go."""
    if not shutil.which("go"):
        print("NOT CHECKED: eksctl's JSON schema, which go(1) downloads", flush=True)
        return None
    module = json.loads(stdout_of(run_command(["go", "mod", "download", "-json", EKSCTL], 300, env=os.environ)))
    with open(os.path.join(module["Dir"], SCHEMA)) as file:
        schema = json.load(file)
    check.that("eksctl's schema requires the metadata of a cluster", "ClusterConfig" in schema["definitions"])
    return schema
