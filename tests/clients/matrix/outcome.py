"""The outcome of a check."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    ok: bool
    # For the table of behaviours.
    text: str
    # What went wrong, with details.
    details: str = ""


def judge(result):
    """Returns the outcome of a call that must be signed with the vended session."""
    if result.vended:
        return Outcome(True, f"{result.seconds:.1f} s")
    if result.ok:
        return Outcome(False, "other identity", f"signed as {result.session and result.session.arn}")
    return Outcome(False, "failed", result.text)
