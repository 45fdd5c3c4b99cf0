"""Checks that the values of the chart, their schema and the policies agree: the settings, their fallbacks and their patterns."""

import json
import re

import yaml

from copies import CHART
from rendered import K8S


def check(checks):
    schema = json.loads((CHART / "values.schema.json").read_text())
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    checks.that(is_strict(schema), "the schema allows no unknown value")
    for path, key in undescribed(schema, values):
        checks.that(False, f"the schema and values.yaml have the same values: {path}.{key}")
    documented = re.findall(r"(?m)^ *# .*\n *([a-zA-Z-]+):", text)
    leaves = [key for section in values.values() for key in (section if isinstance(section, dict) else [])]
    missing = {*values, *leaves} - {*documented}
    checks.that(not missing, "a comment documents each value", ", ".join(sorted(missing)))

    validation = yaml.safe_load((K8S / "admission" / "validation.yaml").read_text())
    variables = {variable["name"]: variable["expression"] for variable in validation["spec"]["variables"]}
    fallbacks = json.loads(variables["settings"].split("}")[0] + "}")
    defaults = {key: as_text(value) for key, value in values["defaults"].items()}
    checks.that({"image": "", **defaults} == fallbacks, "the defaults in values.yaml are those of the policies", f"{defaults}, {fallbacks}")

    # CEL writes a backslash in a string twice.
    expressions = [*variables.values(), *(item["expression"] for item in validation["spec"]["validations"])]
    policy = "\n".join(expressions).replace("\\\\", "\\").replace('\\"', '"')
    properties = schema["properties"]["defaults"]["properties"]
    image = schema["properties"]["image"]["properties"]
    patterns = {key: value["pattern"] for key, value in properties.items() if "pattern" in value}
    for branch in ("then", "else"):
        patterns[f"region, {branch}"] = schema["properties"]["defaults"][branch]["properties"]["region"]["pattern"]
    patterns |= {f"image.{key}": value["pattern"] for key, value in image.items()}
    for key, pattern in patterns.items():
        parts = [part.strip("^$") for part in re.split(r"(?<=\$)\|(?=\^)", pattern.removeprefix("^$|"))]
        if "( *, *" in pattern:
            # A list: the pattern of an item is in it twice.
            parts = re.findall(r"\( \*, \*(?:\(pod\|)?(.*?)\)\)?\* \*", parts[0])
        unknown = [part for part in parts if part not in policy]
        checks.that(parts and not unknown, f"{key}: the pattern of the schema is that of the validation policy", ", ".join(unknown))


def as_text(value):
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if value else ""


def is_strict(schema):
    """Returns whether each object with known properties excludes others."""
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and "properties" in schema and schema.get("additionalProperties") is not False:
        return False
    return all(is_strict(value) for value in schema.values())


def undescribed(schema, values, path=""):
    known = {key for key in schema["properties"] if key not in ("global", "enabled") or path}
    for key in known ^ values.keys():
        yield path, key
    for key, value in values.items():
        if isinstance(value, dict) and "properties" in schema["properties"].get(key, {}):
            yield from undescribed(schema["properties"][key], value, f"{path}.{key}")
