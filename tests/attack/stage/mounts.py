"""File systems that fail: one that can be full or read-only, and one that can stop responding."""

import os
import signal
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parent.parent / "programs/filesystem.py"


class SmallFilesystem:
    """A tmpfs in the scratch directory, unmounted at the end of the scenario. Needs root."""

    def __init__(self, stage, kibibytes=64):
        stage.require_root()
        self.path = stage.temporary_directory()
        self._command("mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", self.path)
        stage.at_end(self._command, "umount", "--lazy", self.path)

    def fill(self):
        """Writes a file until the file system is full."""
        with (self.path / "filler").open("wb", buffering=0) as filler:
            try:
                while True:
                    filler.write(bytes(4096))
            except OSError:
                return

    def empty(self):
        os.unlink(self.path / "filler")

    def read_only(self, on):
        self._command("mount", "-o", f"remount,{'ro' if on else 'rw'}", self.path)

    @staticmethod
    def _command(*words):
        subprocess.run([str(Path(word)) for word in words], check=True, capture_output=True)


class HangingFilesystem:
    """A read-only FUSE mount of `source` that can stop responding, as a network file system does. Needs root."""

    def __init__(self, stage):
        stage.require_root()
        if not os.path.exists("/dev/fuse"):
            stage.skip("needs /dev/fuse")
        self.source = stage.temporary_directory()
        self.path = stage.temporary_directory()
        command = [sys.executable, "-B", PROGRAM, self.source, self.path]
        self._server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        stage.at_end(subprocess.run, ["umount", "--lazy", self.path])
        stage.at_end(self.end)
        if not self._server.stdout.readline():
            stage.skip("cannot mount a FUSE file system")

    def hang(self):
        """Returns when the server has stopped. The kernel lets no process end whose request the server has read and not answered."""
        self._server.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._server.pid, os.WSTOPPED)

    def resume(self):
        self._server.send_signal(signal.SIGCONT)

    def end(self):
        """Ends the file system. Processes that wait for it get an error, and can be killed only then."""
        self._server.kill()
        self._server.wait()
        self._server.stdout.close()
