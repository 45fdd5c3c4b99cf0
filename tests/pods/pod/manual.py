"""What k8s/README.md tells people to look for."""

import rendered

MANUAL = (rendered.K8S / "README.md").read_text()


def told(check, said, words):
    """These words are said, and the manual has them."""
    check.that(f"it says {words!r}, and so does k8s/README.md", words in str(said) and words in MANUAL, said)
