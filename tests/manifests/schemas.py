"""Validates the manifests strictly against the schemas of every supported minor version of Kubernetes."""

import functools

import kubernetes_validate
from kubernetes_validate import utils

import rendered

VERSIONS = [f"1.{minor}" for minor in range(29, 38)]

# Features that not every version supports: whether a document uses the feature, the first version that supports it, and part of
# the error for older versions. The document must fail with this error in older versions and pass from that version on.
FEATURES = {
    "fileKeyRef": (lambda document: "fileKeyRef" in str(document), "1.34", "fileKeyRef"),
    "MutatingAdmissionPolicy v1": (
        lambda document: is_admission(document, "MutatingAdmissionPolicy"), "1.36", "Couldn't find schema"
    ),
    "ValidatingAdmissionPolicy v1": (
        lambda document: is_admission(document, "ValidatingAdmissionPolicy"), "1.30", "Couldn't find schema"
    ),
}

# Without a cache, every validation reads 1 MB of definitions from disk.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)


def check(checks, stories):
    carried = {utils.major_minor(version) for version in utils.all_versions()}
    checks.that(set(VERSIONS) <= carried, f"the schemas of {VERSIONS[0]} to {VERSIONS[-1]} are available", str(sorted(carried)))
    everything = dict(stories)
    for file in sorted(rendered.ADMISSION.rglob("*.yaml")):
        parts = [d for d in rendered.documents(file) if isinstance(d, dict) and "kustomize" not in d.get("apiVersion", "kustomize")]
        if parts:
            everything[str(file.relative_to(rendered.K8S))] = parts
    for name, documents in everything.items():
        for version in VERSIONS:
            wrong = [fault for document in documents for fault in faults(document, version)]
            checks.that(not wrong, f"{name}: valid in {version}", "; ".join(wrong))


def faults(document, version):
    """Returns the errors of a document, or the features in the table above that it uses too early."""
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
        return [f"{what}: is valid, but {', '.join(newer)} should be unknown in {version}"]
    return []


def is_admission(document, kind):
    return document["kind"].startswith(kind) and document["apiVersion"] == "admissionregistration.k8s.io/v1"


def minor(version):
    return int(version.split(".")[1])
