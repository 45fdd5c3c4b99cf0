"""Command line arguments that the suite and the soak have in common."""

import argparse
from pathlib import Path


def suite_parser(description):
    """Returns a parser that knows the two binaries and `--required`."""
    arguments = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("credvend", type=existing)
    arguments.add_argument("local_sts", type=existing)
    arguments.add_argument("--required", action="store_true", help="a skipped scenario is a failure")
    return arguments


def existing(text):
    return Path(text).resolve(strict=True)


def new_file(text):
    return Path(text).absolute()
