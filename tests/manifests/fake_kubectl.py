"""Runs the part of a kubectl command that needs no cluster, and notes on stderr which part that is. Fails for other commands.

The file that FAKE_KUBECTL names has the settings: the real kubectl, the binary, the environment of the container for `exec` and that
of the application for `debug`, and the token that `create token` prints.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import rendered
import schemas

NAMESPACE = rendered.K8S / "namespace/namespace.yaml"
NOTE = "without a cluster: "


def main(arguments):
    settings = json.loads(Path(os.environ["FAKE_KUBECTL"]).read_text())
    words = without_namespace(arguments)
    match words:
        case ["exec", *_] if "--" in words:
            program, *rest = words[words.index("--") + 1 :]
            if program != "/credvend":
                return fail(f"the container has no program {program}")
            note("the binary runs on this machine, with the environment of the sidecar")
            sys.stderr.flush()
            os.execve(settings["credvend"], [program, *rest], settings["environment"])
        case ["debug", *_] if "--" in words:
            end = words.index("--")
            fault = fault_of_debug(settings, words[1:end])
            if fault or words[end + 1 : end + 5] != ["/credvend", "explain", "--pid", "1"]:
                return fail(fault or "the command in the ephemeral container is not `/credvend explain --pid 1`")
            note("the binary runs on this machine, with the environment of the application instead of --pid")
            sys.stderr.flush()
            os.execve(settings["credvend"], ["/credvend", "explain", *words[end + 5 :]], settings["application"])
        case ["create", "token", service_account, "--audience", audience]:
            return create_token(settings, service_account, audience)
        case ["create", "namespace" | "serviceaccount" | "configmap", *_]:
            note("client-side dry run")
            return kubectl(settings, *arguments, "--dry-run=client", "--output=yaml")
        case ["annotate", "namespace", _, *annotations]:
            note("annotates k8s/namespace/namespace.yaml")
            return kubectl(settings, "annotate", "--local", f"--filename={NAMESPACE}", "--output=yaml", *annotations, documents=1)
        case ["apply" | "diff" | "delete", *_, "-k", folder]:
            note("renders the folder")
            return kubectl(settings, "kustomize", folder)
        case ["apply", "-f", file]:
            note("validates the file")
            return validate(file)
    return fail(f"cannot run without a cluster: kubectl {' '.join(arguments)}")


def fault_of_debug(settings, flags):
    """Returns what is wrong with the flags of `kubectl debug` for a pod of the story, if anything is."""
    given = dict(flag.partition("=")[::2] for flag in flags if flag.startswith("-"))
    known = subprocess.run([settings["kubectl"], "debug", "--help"], capture_output=True, text=True).stdout
    unknown = [flag for flag in given if flag != "-it" and f" {flag}=" not in known]
    pod = sidecar_pod()
    if unknown or "-it" not in given:
        return f"kubectl debug has no flags {unknown}, or -it is missing"
    if given.get("--target") not in [container["name"] for container in pod["containers"]]:
        return f"no container of the pod is {given.get('--target')}"
    if given.get("--image") not in [container["image"] for container in pod["initContainers"]]:
        return f"no container of the pod has the image {given.get('--image')}"
    return None


def without_namespace(arguments):
    """Removes the flag -n and its value, which may come before the subcommand."""
    if "-n" not in arguments:
        return arguments
    position = arguments.index("-n")
    return arguments[:position] + arguments[position + 2 :]


def kubectl(settings, *arguments, documents=None):
    """Runs the real kubectl and prints its output, or only the first documents of it."""
    done = subprocess.run([settings["kubectl"], *arguments], capture_output=True, text=True)
    print("\n---\n".join(done.stdout.split("\n---\n")[:documents]))
    print(done.stderr, file=sys.stderr, end="")
    return done.returncode


def create_token(settings, service_account, audience):
    """Prints a token of the local STS, if the story's manifest has this service account and audience."""
    pod = sidecar_pod()
    sources = [source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])]
    audiences = [source["serviceAccountToken"]["audience"] for source in sources]
    if service_account != pod["serviceAccountName"] or [audience] != audiences:
        return fail(f"k8s/sidecar has the service account {pod['serviceAccountName']} and the audiences {audiences}")
    note("prints a token of the local STS")
    print(settings["token"])
    return 0


def sidecar_pod():
    (pod,) = [pod for _, _, pod in rendered.workloads({"sidecar": rendered.documents(rendered.GOLDEN / "sidecar.yaml")})]
    return pod


def validate(file):
    """Validates the documents of a file strictly against the latest schemas."""
    faults = [fault for document in rendered.documents(Path(file)) for fault in schemas.faults(document, schemas.VERSIONS[-1])]
    return fail("; ".join(faults)) if faults else 0


def note(text):
    print(f"{NOTE}{text}", file=sys.stderr)


def fail(message):
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
