"""The troubleshooting messages in k8s/README.md."""

from pathlib import Path

MANUAL = (Path(__file__).resolve().parents[3] / "k8s/README.md").read_text()


def check_message(check, output, message):
    """Checks that both the output and the manual contain this message."""
    check.that(f"output and k8s/README.md contain {message!r}", message in str(output) and message in MANUAL, output)
