"""Locks that another process holds for ever."""

import subprocess
import time

from stage.credentials_file import key_in
from stage.scenario import scenario
from support.checks import CheckFailed
from support.waiting import wait_until

HOLD = 'exec 8<"$0"; flock 8; echo locked; exec sleep 600'


@scenario
def directory(stage, report):
    """Whoever can read the directory can delay each write of the credentials file by 10 s with a lock, but not prevent it."""
    folder = stage.temporary_directory()
    hold(stage, folder)
    keep(stage, report, folder, 14.0)


@scenario
def file(stage, report):
    """Whoever can read the credentials file cannot stop its writing with a lock."""
    folder = stage.temporary_directory()
    (folder / "credentials").write_text("[other]\nregion = us-east-1\n")
    hold(stage, folder / "credentials")
    keep(stage, report, folder, 2.0)


@scenario
def own_lock(stage, report):
    """A lock file that a hung process of the same user holds delays each write by 10 s at most."""
    folder = stage.temporary_directory()
    # The first run creates the lock file, if there is one.
    report.that("run --once works", stage.run_command("run", "--once", "--credentials-file", folder / "credentials").returncode == 0)
    for path in [folder, *(path for path in folder.iterdir())]:
        hold(stage, path)
    keep(stage, report, folder, 14.0)


def hold(stage, path):
    """Starts a process that locks a file or directory until the end of the scenario."""
    process = subprocess.Popen(["bash", "-c", HOLD, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    stage.at_end(process.stdout.close)
    stage.at_end(process.wait)
    stage.at_end(process.kill)
    if process.stdout.readline() != b"locked\n":
        raise CheckFailed(f"cannot lock {path}")


def keep(stage, report, folder, limit):
    """`run` waits for the lock for 1 s at start and for 10 s before a write."""
    path = folder / "credentials"
    started = time.monotonic()
    sidecar = stage.start("--credentials-file", path, ready=False)
    try:
        sidecar.wait_until_ready(15)
    except CheckFailed:
        sidecar.is_running()
    report.figure("ready after", time.monotonic() - started, "s", at_most=limit)
    if not sidecar.is_running():
        report.fail(f"`run` ended with exit code {sidecar.process.wait()}")
        return
    sidecar.reload()
    started = time.monotonic()
    try:
        wait_until("the file has the credentials", 15, lambda: key_in(path) == sidecar.key())
    finally:
        report.figure("written after", time.monotonic() - started, "s", at_most=limit)
    sidecar.reload()
    time.sleep(0.3)
    code, seconds = sidecar.terminate()
    report.figure("exit code on SIGTERM", code, exactly=0)
    report.figure("after", seconds, "s", at_most=1.0)
