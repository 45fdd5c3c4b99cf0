"""Reading of credentials files."""

import configparser

KEYS = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")


def sections(file):
    """Returns the sections of a credentials file by name."""
    parser = configparser.RawConfigParser(default_section="no default section")
    parser.read_string(file.read_text())
    return {name: dict(parser[name]) for name in parser.sections()}


def key_in(file, section="default"):
    """Returns the access key ID in a section, or None."""
    try:
        return sections(file).get(section, {}).get(KEYS[0])
    except (OSError, configparser.Error):
        return None


def leftovers(directory, *expected):
    """Returns the names of the files in a directory that are neither expected nor empty."""
    return sorted(
        file.name for file in directory.iterdir() if file.name not in expected and (file.is_dir() or file.stat().st_size > 0)
    )
