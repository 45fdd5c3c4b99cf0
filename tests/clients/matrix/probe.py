"""A running client that makes a signed call for each line on its stdin."""

import contextlib
import os
import select
import subprocess
import threading
import time
from dataclasses import dataclass

from support.checks import CheckFailed
from support.processes import run_program

# Programs start with much work, and clients give up on an endpoint after a second: only so many start at the same time.
_starts = threading.BoundedSemaphore(3)


@dataclass(frozen=True)
class Result:
    """A call. `session` is the session that signed it, if it was accepted."""

    ok: bool
    session: object
    text: str
    seconds: float

    @property
    def vended(self):
        return self.ok and self.session is not None and self.session.vended


class Probe:
    """A client with its variables. The `with` block begins before its first call."""

    def __init__(self, rig, client, command, env):
        self._rig, self._client, self._command, self._env = rig, client, [str(word) for word in command], env
        self._process = None
        self._buffer = b""
        self._started = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process and self._process.poll() is None:
            self._process.stdin.close()
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def call(self, queued=True):
        """Makes one call and returns its result. The first call starts the program; `queued`: when its turn comes."""
        starts = not self._started or not self._client.repeats
        self._started = True
        with _starts if starts and queued else contextlib.nullcontext():
            return self._call(self._client.patience)

    def _call(self, patience):
        started = time.monotonic()
        try:
            text = self._line(patience) if self._client.repeats else self._run(patience)
        except CheckFailed as failure:
            text = f"error {failure}"
        calls = self._rig.gate.calls_since(started)
        accepted = [call for call in calls if call.accepted]
        ok = text == "ok" and bool(accepted)
        seen = ", ".join(dict.fromkeys(call.reason for call in calls)) or "no request"
        session = accepted[-1].session if accepted else None
        return Result(ok, session, f"{text[:400]}; the gate saw: {seen}", time.monotonic() - started)

    def _run(self, patience):
        done = run_program(self._rig, self._client.name, self._command, self._env, patience)
        if done.returncode == 0:
            return "ok"
        return f"error exit code {done.returncode}: {' '.join((done.stderr or done.stdout).split())[-300:]}"

    def _line(self, patience):
        if self._process is None:
            log = self._rig.log_file(self._client.name)
            with log.open("wb") as stderr:
                self._process = subprocess.Popen(
                    self._command, env=self._env, cwd=self._rig.scratch, bufsize=0,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                )
            self._log = log
        try:
            self._process.stdin.write(b"call\n")
        except BrokenPipeError:
            return self._ended()
        deadline = time.monotonic() + patience
        while b"\n" not in self._buffer:
            readable, _, _ = select.select([self._process.stdout], [], [], max(0, deadline - time.monotonic()))
            if not readable:
                self._process.kill()
                return f"error no answer within {patience} s"
            piece = os.read(self._process.stdout.fileno(), 65536)
            if not piece:
                return self._ended()
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace").strip()

    def _ended(self):
        code = self._process.wait(10)
        return f"error the program ended with {code}: {' '.join(self._log.read_text(errors='replace').split())[-300:]}"
