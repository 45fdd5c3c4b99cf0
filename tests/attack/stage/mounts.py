"""A small file system that can be full or read-only."""

import os
import subprocess
from pathlib import Path


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
