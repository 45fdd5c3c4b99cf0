"""Builds the cluster, starts it in namespaces of its own, runs the scenarios inside and ends it; the script `run` prepares the arguments."""

import argparse
import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[1:1] = [str(HERE.parent / "real-clients"), str(HERE.parent / "manifests")]

import scenarios
from stage import daemons, images, programs
from stage.namespaces import Namespaces
from support.checks import CheckFailed
from support.environment import remove_aws_variables

# One cluster at a time: containers, cgroups and addresses have fixed names. The path is short, because sockets are in it.
STATE = Path("/var/tmp/credvend-cluster")
# The exit code of `inside.py` if the cluster does not start.
NOT_UP = 3


def main(arguments):
    if arguments.list:
        print("\n".join(f"{scenario.name}{' (long)' * scenario.is_long}" for scenario in scenarios.find()))
        return 0
    chosen = scenarios.choose(arguments.only, arguments.long)
    create_state()
    with (STATE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("cluster: waiting for another run", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if arguments.down:
            end()
            return 0
        try:
            return run(arguments, chosen)
        except CheckFailed as failure:
            print(f"cluster: {failure}", file=sys.stderr)
            return 1
        finally:
            if not kept():
                end()


def create_state():
    STATE.mkdir(mode=0o700, exist_ok=True)
    if STATE.is_symlink() or STATE.stat().st_uid != 0:
        raise SystemExit(f"cluster: {STATE} belongs to another user")
    STATE.chmod(0o700)


def kept():
    return (STATE / "kept").exists()


def run(arguments, chosen):
    began = time.monotonic()
    places = programs.build_all(arguments.version)
    for module in {scenario.module for scenario in chosen if hasattr(scenario.module, "prepare")}:
        module.prepare()
    built = time.monotonic()
    namespaces = Namespaces(STATE)
    version = programs.programs(arguments.version)[-1].version
    is_up = kept() and namespaces.pid() is not None and (STATE / "kept").read_text() == version
    if not is_up:
        # Also what a run has left that was killed.
        end()
        namespaces.create()
        daemons.link_programs(STATE / "programs", places)
    place = STATE / "image"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    archives = [] if is_up else [images.applications(place / "applications.tar")]
    digest = hashlib.sha256(arguments.credvend.read_bytes()).hexdigest()
    if not is_up or (STATE / "credvend.sha256").read_text() != digest:
        credvend_image, image_id = images.credvend(arguments.credvend, place)
        archives.append(credvend_image)
        (STATE / "credvend.sha256").write_text(digest)
    if arguments.keep:
        (STATE / "kept").write_text(version)
    print(f"cluster: Kubernetes {version}; built in {built - began:.0f} s, images in {time.monotonic() - built:.0f} s", flush=True)
    # The copies stay where a kept cluster runs them.
    local_sts = STATE / "local-sts"
    if not is_up:
        shutil.copy2(arguments.local_sts, local_sts)
    command = [sys.executable, "-B", HERE / "inside.py", *(["--up"] if is_up else [])]
    command += [word for path in archives for word in ("--image", path)]
    command += ["--credvend", arguments.credvend, "--attempts", arguments.attempts, STATE, local_sts, *(scenario.name for scenario in chosen)]
    status = subprocess.run(namespaces.command(*command), check=False).returncode
    if status == NOT_UP:
        (STATE / "kept").unlink(missing_ok=True)
    if kept():
        report(namespaces)
    return status


def report(namespaces):
    print(f"""\
cluster: kept; `just cluster --down` ends it
  kubeconfig: {STATE}/keys/admin.kubeconfig
  kubectl:    {' '.join(namespaces.command(STATE / 'programs/kubectl', '--kubeconfig', STATE / 'keys/admin.kubeconfig'))}""", flush=True)


def end():
    """Ends a cluster and removes its files. Does nothing without one."""
    Namespaces(STATE).destroy()
    for path in STATE.iterdir():
        if path.name == "lock":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--down", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--attempts", type=int, default=1)
    parser.add_argument("--version", default=programs.DEFAULT)
    parser.add_argument("credvend", type=Path)
    parser.add_argument("local_sts", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    # Not a variable of credvend: it names the cache.
    cache = os.environ.get("CREDVEND_CLUSTER_CACHE")
    remove_aws_variables()
    if cache:
        os.environ["CREDVEND_CLUSTER_CACHE"] = cache
    # The cluster ends on SIGTERM as on Ctrl-C.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main(parse()))
