"""Finds the metrics and labels that a PromQL expression names. Whether it is valid is for Prometheus to say."""

import re

# Labels that the scrape configuration adds.
TARGET_LABELS = {"namespace", "pod", "instance", "job"}


def metrics(expression):
    """Returns the metrics in an expression, with duplicates."""
    return re.findall(r"\b(?:credvend|kube|process)_\w+", expression)


def labels(expression):
    """Returns the labels in the matchers and in the grouping clauses of an expression."""
    matched = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    grouped = re.findall(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)", expression)
    return {*matched, *(label.strip() for group in grouped for label in group.split(",") if label.strip())}


def unknown(expression, known, more_labels=()):
    """Returns what an expression names and `known`, a dictionary of metrics and their labels, lacks."""
    used = metrics(expression)
    if not used:
        return [f"no metric in {expression}"]
    missing = [f"there is no metric {metric}" for metric in used if metric not in known]
    exported = set().union(TARGET_LABELS, *(known.get(metric, ()) for metric in used))
    wanted = labels(expression) | set(more_labels)
    return missing or [f"there is no label {label}" for label in sorted(wanted - exported)]
