"""Files and links that another user plants in a directory that everybody can write. Needs root."""

import os
import stat

from stage.scenario import scenario
from support.roles import ROLE_A

ATTACKER = 4242
SECRET = "secret of root, longer than a token needs to be: 0123456789abcdef0123456789abcdef\n"

OUTPUTS = {
    "export --output": lambda file: ["export", "--output", file],
    "run --once --credentials-file": lambda file: ["run", "--once", "--credentials-file", file],
    "run --credentials-file": lambda file: ["run", "--listen", "127.0.0.1:0", "--credentials-file", file],
    "run --config-file": lambda file: ["run", "--listen", "127.0.0.1:0", "--config-file", file],
    "run --auth-token-file": lambda file: ["run", "--listen", "127.0.0.1:0", "--auth-token-file", file],
    "run --auth-token-dir": lambda file: ["run", "--listen", "127.0.0.1:0", "--auth-token-dir", file.parent],
}


def link(file, target):
    file.symlink_to(target)


def file_of_other(file, target):
    file.write_text("0123456789abcdef0123456789abcdef0123456789abcdef")
    file.chmod(0o666)




@scenario
def outputs(stage, report):
    """A link or file that another user planted is refused with 6, and neither it nor its target changes."""
    stage.require_root()
    stage.start_sts()
    refused, cases = 0, 0
    for name, words in OUTPUTS.items():
        for plant in (link, file_of_other):
            for mode in (0o777, 0o1777):
                cases += 1
                problem = attack(stage, words, plant, mode)
                label = f"`{name}`, {plant.__name__}, directory {mode:o}"
                report.that(label, not problem, problem)
                refused += not problem
    report.figure("cases", cases)
    report.figure("refused, nothing changed", refused, exactly=cases)


def attack(stage, words, plant, mode):
    """Returns what went wrong, or None."""
    directory = stage.temporary_directory(mode)
    target = stage.temporary_directory() / "target"
    target.write_text(SECRET)
    target.chmod(0o600)
    # The file of the default profile in a token directory has the name `default`.
    file = directory / "default"
    plant(file, target)
    os.lchown(file, ATTACKER, ATTACKER)
    before = os.lstat(file)
    process = stage.start(*words(file)[1:], command=words(file)[0], ready=False)
    try:
        code = process.process.wait(3)
    except Exception:
        code = "running"
        process.process.kill()
    if target.read_text() != SECRET or stat.S_IMODE(target.stat().st_mode) != 0o600 or target.stat().st_uid != 0:
        return f"exit code {code}, and the target changed"
    after = os.lstat(file)
    if (after.st_uid, after.st_ino, after.st_size) != (before.st_uid, before.st_ino, before.st_size):
        return f"exit code {code}, and the planted file changed"
    return None if code == 6 else f"exit code {code}: {process.output().strip().splitlines()[-1:]}"


@scenario
def web_identity_token(stage, report):
    """A web identity token that another user planted in a directory that everybody can write is refused."""
    stage.require_root()
    stage.start_sts()
    directory = stage.temporary_directory(0o1777)
    token = directory / "token"
    token.write_text(stage.sts.mint())
    os.chown(token, ATTACKER, ATTACKER)
    ended = stage.run_command(
        "export", "--role-arn", ROLE_A, "--web-identity-token-file", str(token), AWS_ROLE_ARN="", AWS_WEB_IDENTITY_TOKEN_FILE="",
    )
    report.figure("exit code", ended.returncode, exactly=6)
    report.figure("exchanges", stage.sts.exchange_count(), exactly=0)
