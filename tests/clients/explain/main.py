"""Compares `credvend explain` with the SDKs themselves, and prints a table: environments by SDKs.

    main.py [--sdk SDK] [--environment NAME] [--json FILE] CREDVEND CLIENTS

A cell is the source that both name. `said/did` marks a difference, and `!` a source that does not work. Needs root and `ip`, for
a network namespace per SDK.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from environments import ENVIRONMENTS

SDKS = ["boto3", "go-v1", "go-v2", "java-v1", "java-v2", "javascript-v3", "rust", "cpp", "crt", "object_store", "minio-go", "libcurl"]
SHORT = {"environment": "keys", "keys": "file", "web_identity": "web", "container": "endp", "instance_metadata": "imds", None: "-"}
SHORT |= {"process": "proc", "none": "-", "container_relative": "rel", "instance_metadata_variable": "imdsv"}

# Differences that are not faults of `explain`.
KNOWN = {("web identity in profile", "cpp"): "the SDK in PyArrow aborts the process"}


def run(sdk: str, arguments: argparse.Namespace) -> list[dict]:
    worker = [sys.executable, "-B", str(Path(__file__).with_name("worker.py")), arguments.credvend, sdk, arguments.clients]
    worker += [arguments.environment] if arguments.environment else []
    ended = subprocess.run(["unshare", "--net", "--mount", *worker], stdout=subprocess.PIPE, text=True, check=False)
    if ended.returncode != 0:
        print(f"explain: {sdk}: the worker ended with {ended.returncode}", file=sys.stderr)
    return [json.loads(line) for line in ended.stdout.splitlines()]


def cell(result: dict | None) -> str:
    if result is None:
        return "?"
    name = lambda side: SHORT.get(side["source"], side["source"]) + ("" if side["works"] or side["source"] in (None, "none") else "!")  # noqa: E731
    said = name(result["said"])
    return said if result["agrees"] else f"{said}/{name(result['seen'])}"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sdk", action="append")
    parser.add_argument("--environment")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("credvend")
    parser.add_argument("clients")
    arguments = parser.parse_args()
    sdks = arguments.sdk or SDKS
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = [result for group in pool.map(lambda sdk: run(sdk, arguments), sdks) for result in group]
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1))
    by_cell = {(result["environment"], result["sdk"]): result for result in results}
    names = [environment.name for environment in ENVIRONMENTS if arguments.environment in (None, environment.name)]
    print("| environment | " + " | ".join(sdks) + " |\n|---|" + "---|" * len(sdks))
    for name in names:
        print(f"| {name} | " + " | ".join(cell(by_cell.get((name, sdk))) for sdk in sdks) + " |")
    differences = [result for result in results if not result["agrees"] and (result["environment"], result["sdk"]) not in KNOWN]
    for result in differences:
        said, seen = result["said"], result["seen"]
        print(f"\n{result['environment']}, {result['sdk']}: explain says {said['source']}, works: {said['works']}; the SDK used "
              f"{seen['source']}, works: {seen['works']}, asked {seen['asked']}: {seen['error']}")
    missing = len(names) * len(sdks) - len(results)
    print(f"\n{len(results)} comparisons, {len(differences)} differences, {missing} missing")
    return 1 if differences or missing else 0


if __name__ == "__main__":
    sys.exit(main())
