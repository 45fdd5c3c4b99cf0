"""The results of earlier runs, below the target directory, so that a run of one client can update the tables in README.md."""

import json

from matrix.checks import Outcome
from matrix.install import target


def merged(clients, results):
    """Adds the results of this run to the recorded ones, and fills `results` with those of clients that did not run."""
    file = target() / "results.json"
    record = json.loads(file.read_text()) if file.exists() else {}
    for client in clients:
        # Results of another version of the client are void.
        known = record.get(client.name, {})
        cells = known.get("cells", {}) if known.get("title") == client.title else {}
        for output, outcomes in cells.items():
            for check, (ok, text) in outcomes.items():
                results.cells[client.name, output].setdefault(check, Outcome(ok, text))
        if client.name not in results.not_tried and known.get("not_tried") and not cells:
            results.not_tried[client.name] = known["not_tried"]
        record[client.name] = {
            "title": client.title,
            "not_tried": results.not_tried.get(client.name),
            "cells": {
                output: {check: (outcome.ok, outcome.text) for check, outcome in outcomes.items()}
                for (name, output), outcomes in results.cells.items() if name == client.name
            },
        }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(record, indent=1))
