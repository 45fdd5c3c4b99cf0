"""Running a command while its peak memory is measured."""

import subprocess
import time
from dataclasses import dataclass

from stage import proc

POLL = 0.005
# A process that uses this much memory (MiB) is killed, for the sake of the machine.
TOO_MUCH = 256


@dataclass
class Ended:
    """A command that has ended. `code` is None if it had to be killed; `peak` is in MiB; `stderr` is text."""

    code: int | None
    seconds: float
    peak: float
    stdout: str
    stderr: str

    @property
    def last_line(self):
        return self.stderr.strip().rpartition("\n")[2]


def run_measured(stage, words, timeout, **variables):
    """Runs credvend with these words, and kills it after `timeout` seconds or if it uses far too much memory."""
    out, log = stage.log_file("stdout"), stage.log_file(f"credvend-{words[0]}")
    with out.open("wb") as stdout, log.open("wb") as stderr:
        started = time.monotonic()
        process = subprocess.Popen(
            [str(word) for word in (stage.credvend, *words)], env=stage.environment(**variables), cwd=stage.scratch,
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
        )
    peak, code = 0.0, None
    while time.monotonic() - started < timeout and peak < TOO_MUCH:
        try:
            peak = max(peak, proc.Usage(process.pid).peak)
        except (OSError, KeyError):
            # A process that has ended has no memory.
            pass
        code = process.poll()
        if code is not None:
            break
        time.sleep(POLL)
    else:
        process.kill()
        process.wait()
    return Ended(code, time.monotonic() - started, peak, out.read_text(errors="replace"), log.read_text(errors="replace"))
