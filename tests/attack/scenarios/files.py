"""Faults of the file system under the credentials file."""

import shutil
import time
from pathlib import Path

from stage.certificates import Authority
from stage.credentials_file import key_in, leftovers
from stage.mounts import HangingFilesystem, SmallFilesystem
from stage.scenario import scenario
from support.roles import ROLE_A
from support.waiting import wait_until

RECOVERY = 10.0


@scenario
def full_disk(stage, report):
    """A full disk leaves the old file whole and serving undisturbed; the file follows within 10 s once there is space."""
    disk = SmallFilesystem(stage)
    fault(stage, report, disk.path, disk.fill, disk.empty)
    disk.fill()
    one_shot(stage, report, disk.path)


@scenario
def read_only_disk(stage, report):
    """A file system that becomes read-only is survived; the file follows within 10 s once it is writable."""
    disk = SmallFilesystem(stage)
    fault(stage, report, disk.path, lambda: disk.read_only(True), lambda: disk.read_only(False))
    disk.read_only(True)
    one_shot(stage, report, disk.path)
    disk.read_only(False)


@scenario
def deleted_directory(stage, report):
    """A deleted directory is survived; the file follows within 10 s once the directory exists."""
    directory = stage.temporary_directory()
    fault(stage, report, directory, lambda: shutil.rmtree(directory), directory.mkdir)


@scenario
def hanging_file_system(stage, report):
    """A configuration on a file system that does not respond delays only the reload: `run` serves on and ends within 1 s."""
    files = HangingFilesystem(stage)
    token = Path(stage.pod_variables()["AWS_WEB_IDENTITY_TOKEN_FILE"])
    config = files.source / "config"
    config.write_text(f"[default]\nrole_arn = {ROLE_A}\nweb_identity_token_file = {token}\nca_bundle = {files.path}/bundle\n")
    (files.source / "bundle").write_bytes(Authority().pem)
    sidecar = stage.start("--config", files.path / "config")
    stage.at_end(files.end)
    client = stage.good_client(sidecar.url)
    for _ in range(2):
        files.hang()
        sidecar.reload()
        time.sleep(2)
        code, _ = sidecar.health()
        report.figure("exit code of `credvend health`", code, exactly=0)
        reloads = len(sidecar.log_lines("configuration reloaded"))
        files.resume()
        wait_until("the configuration is reloaded", 10, lambda: len(sidecar.log_lines("configuration reloaded")) > reloads)
    client.report(report)
    files.hang()
    sidecar.reload()
    time.sleep(0.5)
    code, seconds = sidecar.terminate()
    report.figure("exit code on SIGTERM", code, exactly=0)
    report.figure("after", seconds, "s", at_most=1.0)


def fault(stage, report, directory, begin, end):
    """Runs a fault while `run` reloads. The credentials file has new credentials within 10 s of the end."""
    stage.start_sts("--credential-lifetime", "300")
    file = directory / "credentials"
    sidecar = stage.start("--credentials-file", file)
    before = key_in(file)
    client = stage.good_client(sidecar.url)
    begin()
    sidecar.reload()
    wait_until("the endpoint has new credentials", 5, lambda: sidecar.key() != before)
    wait_until("the failed write is logged", 5, lambda: sidecar.log_lines("(WARN|ERROR).*(credentials|write|sink)"))
    report.that("the old file is whole", not file.exists() or key_in(file) == before)
    ready, _ = sidecar.get("/readyz")
    report.figure("status of /readyz during the fault", ready, exactly=503)
    end()
    started = time.monotonic()
    wait_until("the file has the credentials", 15, lambda: key_in(file) == sidecar.key())
    report.figure("recovered after", time.monotonic() - started, "s", at_most=RECOVERY)
    wait_until("credvend is ready", 5, lambda: sidecar.get("/readyz")[0] == 200)
    client.report(report)
    report.figure("temporary files left", len(leftovers(directory, "credentials")), exactly=0)
    sidecar.terminate()


def one_shot(stage, report, directory):
    """A one-shot command exits with 6 and leaves nothing behind."""
    ended = stage.run_command("export", "--output", str(directory / "output"))
    report.figure("exit code of `export --output`", ended.returncode, exactly=6)
    left = leftovers(directory, "credentials", "filler")
    report.that("`export` leaves no file", not left, left)


@scenario
def deleted_file(stage, report):
    """A deleted credentials file comes back with the next credentials."""
    stage.start_sts("--credential-lifetime", "300")
    file = stage.temporary_directory() / "credentials"
    sidecar = stage.start("--credentials-file", file)
    before = key_in(file)
    file.unlink()
    sidecar.reload()
    started = time.monotonic()
    wait_until("the file is back", 12, lambda: key_in(file) not in (None, before))
    # A hop is refreshed at most once in 2 s.
    report.figure("back after", time.monotonic() - started, "s", at_most=4.0)


@scenario
def deleted_authorization_token(stage, report):
    """A deleted authorization token file comes back by itself within 10 s of a request."""
    stage.start_sts()
    file = stage.temporary_directory() / "authorization-token"
    sidecar = stage.start("--auth-token-file", file)
    file.unlink()
    started = time.monotonic()

    def back():
        sidecar.get()
        return file.exists()

    try:
        wait_until("the file is back", 12, back)
    finally:
        report.figure("back after", time.monotonic() - started, "s", at_most=RECOVERY)
