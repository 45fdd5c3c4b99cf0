"""A crowd of clients, in its own process."""

import sys
from pathlib import Path

from support.processes import BackgroundProcess

PROGRAM = Path(__file__).resolve().parent.parent / "programs/crowd.py"


class Crowd(BackgroundProcess):
    """Clients that attack an address until the `with` block ends. The block begins once each has tried to connect."""

    def __init__(self, stage, kind, count, address):
        super().__init__(stage, f"crowd-{kind}", [sys.executable, "-B", PROGRAM, kind, count, address], stage.environment())
        self.wait_for("all have tried to connect", 30)
