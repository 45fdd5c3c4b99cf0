"""Many rewrites of the credentials file beside readers, other writers and kill -9."""

import json
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stage.credentials_file import KEYS, leftovers, sections
from stage.scenario import scenario
from support.checks import CheckFailed
from support.processes import run_program
from support.roles import ROLE_A

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"


@scenario
def readers(stage, report):
    """Readers of the credentials file never see half a file, whatever the number of rewrites."""
    count = stage.scaled(100_000, 500)
    # A rewrite holds the lock of its file for 50 ms, so more files make more rewrites at a time.
    files = [stage.temporary_directory() / "credentials" for _ in range(stage.scaled(8, 1))]
    names = ["first", "second", "third"]
    writers = [(file, name) for file in files for name in names[1:]]
    sidecars = [stage.start("--credentials-file", file, "--credentials-profile", names[0]) for file in files]

    def write(file, name, times):
        """Rewrites the file. A reload would refresh at most once in 2 s."""
        words = ["run", "--once", "--credentials-file", file, "--credentials-profile", name]
        return sum(stage.run_command(*words).returncode == 0 for _ in range(times))

    for file, name in writers:
        write(file, name, 1)
    processes = [start_reader(stage, file, names) for file in files for _ in range(max(1, 4 // len(files)))]
    started = time.monotonic()
    with ThreadPoolExecutor(len(writers)) as pool:
        rewrites = sum(pool.map(lambda writer: write(*writer, count // len(writers)), writers))
    report.figure("rewrites per second", rewrites / (time.monotonic() - started))
    results = [json.loads(process.communicate()[0]) for process in processes]
    report.figure("rewrites", rewrites, at_least=count)
    report.figure("reads", sum(result["reads"] for result in results), at_least=1000)
    report.figure("torn", sum(result["torn"] for result in results), exactly=0)
    report.that("no example", not any(result["example"] for result in results), [result["example"] for result in results])
    for sidecar in sidecars:
        sidecar.terminate()
    report.figure("files left", sum(len(leftovers(file.parent, file.name)) for file in files), exactly=0)


def start_reader(stage, file, names):
    process = subprocess.Popen(
        [sys.executable, "-B", PROGRAMS / "reader.py", file, *names], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    stage.at_end(process.wait)
    stage.at_end(process.kill)
    return process


def write_config(stage, names):
    token = stage.pod_variables()["AWS_WEB_IDENTITY_TOKEN_FILE"]
    config = stage.temporary_directory() / "config"
    config.write_text("".join(
        f"[profile {name}]\nrole_arn = {ROLE_A}\nrole_session_name = {name}\nweb_identity_token_file = {token}\n" for name in names
    ))
    return config


@scenario
def killed(stage, report):
    """`kill -9` at any moment leaves a whole file, and the next start removes what was left behind."""
    count = stage.scaled(1000, 50)
    file = stage.temporary_directory() / "credentials"
    names = ["one", "two"]
    config = write_config(stage, names)
    other = "# a comment\n[other]\naws_access_key_id = AKIAOTHER\n"
    file.write_text(other)
    broken = 0
    for _ in range(count):
        process = stage.start("--config", config, "--all-profiles", "--credentials-file", file, level="error", ready=False)
        time.sleep(random.uniform(0.005, 0.06))
        process.send(signal.SIGHUP)
        time.sleep(random.uniform(0, 0.02))
        process.process.kill()
        process.process.wait()
        text = file.read_text()
        whole = all(set(KEYS) <= set(values) for name, values in sections(file).items() if name in names)
        broken += not (text.startswith(other) and text.endswith("\n") and whole)
    during = len(leftovers(file.parent, file.name))
    sidecar = stage.start("--config", config, "--all-profiles", "--credentials-file", file)
    sidecar.terminate()
    report.figure("kills", count)
    report.figure("broken files", broken, exactly=0)
    report.figure("temporary files before the last start", during)
    report.figure("after it", len(leftovers(file.parent, file.name)), exactly=0)


@scenario
def aws_configure_set(stage, report):
    """Two credvends beside `aws configure set` lose no section of each other or of the AWS CLI."""
    file = stage.temporary_directory() / "credentials"
    own = [f"own{number}" for number in range(5)]
    file.write_text("".join(f"[{name}]\naws_access_key_id = AKIAFIRST\n" for name in own))
    sidecars = [
        stage.start("--credentials-file", file, "--credentials-profile", name) for name in ("first", "second")
    ]
    rounds = stage.scaled(5000, 600)
    words = [sys.executable, "-B", PROGRAMS / "configure_set.py", file, *own, rounds]
    writer = subprocess.Popen([str(word) for word in words], env=stage.environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    lost = set()
    while writer.poll() is None:
        for sidecar in sidecars:
            sidecar.reload()
        time.sleep(0.01)
        text = file.read_text()
        # While the AWS CLI writes, the file is empty or cut. It writes in the order of the file.
        if "[own4]" in text:
            lost |= {name for name in ("first", "second", *own) if f"[{name}]" not in text}
    errors = writer.communicate()[1].decode()
    report.that("the AWS CLI's writer works", writer.returncode == 0, errors[-300:])
    command = run_program(
        stage, "aws", [stage.aws, "configure", "set", "aws_access_key_id", "AKIALAST", "--profile", "last"],
        stage.environment(AWS_SHARED_CREDENTIALS_FILE=file),
    )
    report.that("`aws configure set` works", command.returncode == 0, command.stderr[-300:])
    for sidecar in sidecars:
        sidecar.reload()
    time.sleep(1)
    found = sections(file)
    missing = sorted({"first", "second", "last", *own} - set(found))
    expected = {f"own{number}": f"AKIA{rounds - 5 + number:016}" for number in range(5)}
    stale = [name for name, key in expected.items() if found.get(name, {}).get(KEYS[0]) != key]
    incomplete = [name for name in ("first", "second") if not set(KEYS) <= set(found.get(name, {}))]
    report.figure("writes of the AWS CLI", rounds)
    report.figure("sections lost", len(lost | set(missing)), exactly=0)
    # The AWS CLI writes without a lock, so a write of its own can be lost if the file is replaced meanwhile.
    report.figure("sections with an old key", len(stale))
    report.figure("incomplete sections", len(incomplete), exactly=0)


