"""Strict schemas of each minor version of Kubernetes that is supported."""

import functools

import kubernetes_validate
from kubernetes_validate import utils

import rendered

VERSIONS = [f"1.{minor}" for minor in range(29, 38)]

# What a manifest uses that not every version has: how to tell, the first version whose schema has it, and what that version's
# predecessor says. A manifest has to fail before, for that reason alone, and to pass from then on.
FEATURES = {
    "fileKeyRef": (lambda document: "fileKeyRef" in str(document), "1.34", "fileKeyRef"),
    "MutatingAdmissionPolicy v1": (
        lambda document: is_admission(document, "MutatingAdmissionPolicy"), "1.36", "Couldn't find schema"
    ),
    "ValidatingAdmissionPolicy v1": (
        lambda document: is_admission(document, "ValidatingAdmissionPolicy"), "1.30", "Couldn't find schema"
    ),
}

# The definitions are read from disk at each call otherwise, 1 MB each.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)


def check(checks, stories):
    carried = {utils.major_minor(version) for version in utils.all_versions()}
    checks.that(set(VERSIONS) <= carried, f"schemas of {VERSIONS[0]} to {VERSIONS[-1]} are at hand", str(sorted(carried)))
    everything = dict(stories)
    for file in sorted(rendered.ELSEWHERE.rglob("*.yaml")):
        parts = [d for d in rendered.documents(file) if isinstance(d, dict) and "kustomize" not in d.get("apiVersion", "kustomize")]
        if parts:
            everything[str(file.relative_to(rendered.K8S))] = parts
    for name, documents in everything.items():
        for version in VERSIONS:
            wrong = [fault for document in documents for fault in faults(document, version)]
            checks.that(not wrong, f"{name}: valid in {version}", "; ".join(wrong))


def faults(document, version):
    """What is wrong with a document, or with the table above."""
    newer = {
        feature: sign
        for feature, (uses, since, sign) in FEATURES.items()
        if uses(document) and minor(version) < minor(since)
    }
    what = f"{document['kind']} {document['metadata']['name']}"
    try:
        kubernetes_validate.validate(document, version, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        if any(sign in error.message for sign in newer.values()):
            return []
        return [f"{what}: {error.message[:300]}"]
    if newer:
        return [f"{what}: passes, though {', '.join(newer)} should be unknown there"]
    return []


def is_admission(document, kind):
    return document["kind"].startswith(kind) and document["apiVersion"] == "admissionregistration.k8s.io/v1"


def minor(version):
    return int(version.split(".")[1])
