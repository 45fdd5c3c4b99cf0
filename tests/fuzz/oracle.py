"""Compares what Python's configparser and botocore read from credentials files before and after credvend writes into them.

The cases are the seeds and the corpus of the target shared_file, and files that a generator builds from pieces of the dialect. For each
case:

- credvend's own model of botocore's parser reads what botocore reads, from the old file and from the new one;
- all sections and values are the same after the write, except for credvend's keys in its section, which have the new values;
- botocore's provider returns the new credentials;
- a file that botocore could read before is never unreadable afterwards.
"""

import argparse
import configparser
import json
import random
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import botocore.configloader
import botocore.credentials
import botocore.exceptions

PROFILE = "default"
NEW = {"aws_access_key_id": "ASIANEW", "aws_secret_access_key": "secret/NEW+1=", "aws_session_token": "token/NEW=="}
OWNED = {*NEW, "aws_security_token"}

ENDINGS = ["\n", "\n", "\n", "\r\n", "\r\n", "\r"]
NAMES = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token", "aws_security_token", "AWS_Session_Token",
         "aws_access_\u212aey_id", "region", "output", "s3", "role_arn", "x_security_scan", "a.b", "key with space", "", "%(home)s"]
VALUES = ["old", "", "a#b", "a # b", "a ; b", "%(region)s", "%%", "\u00e9\u00a0", "a = b", "a: b", '"quoted"', "\x00", "\ttab\t", "x\x0cy",
          "x\x85", "\u2028", "[default]", "a\x1fb\x1f"]
HEADERS = ["[default]", "[default]", "[default]", "[ default ]", "[\tdefault]", "[default ]", "[default] # note", "[default]# [1]", "[default] ; x",
           "[default]]", "[default] junk", "[Default]", "[DEFAULT]", "[x]", "[y]", "[profile default]", "[profile x]", "[]", "[ ]", "[default",
           "default]", "[\u00e9]", "['default']", "[default\x00]", "[\u00a0default]"]
INDENTS = ["", "", "", "", "", " ", "\t", "    ", "\u00a0", "\x0c", "\x1c"]
SEPARATORS = [" = ", "=", " =", "= ", ":", " : ", "\t=\t", " ", "\u00a0=\u00a0", "=="]
COMMENTS = ["# comment", "; comment", "#", "# credvend: these credentials expire at 2020-01-01T00:00:00Z", "# credvend: ", "#[default]", "rem x"]


def generate(choose: random.Random) -> bytes:
    """Builds a file from pieces of the dialect: half of the files have many irregularities, the others are mostly readable."""
    wild = choose.random() < 0.5
    ending = choose.choice(ENDINGS)
    lines = []
    used = set()
    for number in range(choose.randrange(0, 14)):
        kind = choose.random() if wild or number else 0
        indent = choose.choice(INDENTS) if wild else choose.choice(["", "", "", "", "  "])
        if kind < 0.25:
            line = choose.choice(HEADERS if wild else HEADERS[:8] + ["[x]", "[y]", "[DEFAULT]"])
            if not wild:
                # A repeated section or property makes a file unreadable for botocore.
                if line in used:
                    continue
                used = {other for other in used if other.startswith("[")} | {line}
                indent = ""
        elif kind < 0.75:
            name = choose.choice(NAMES if wild else NAMES[:9])
            if not wild and name.lower() in used and not indent:
                continue
            used.add(name.lower())
            line = name + choose.choice(SEPARATORS if wild else SEPARATORS[:6]) + choose.choice(VALUES if wild else VALUES[:6])
        elif kind < 0.88:
            line = choose.choice(COMMENTS)
        elif kind < 0.95:
            line = choose.choice(["", "", " ", "\t", "\x0c"])
        elif wild or choose.random() < 0.1:
            line = choose.choice(["word", "=", ":", "a", "=x", "\x00"])
        else:
            continue
        lines.append(indent + line + choose.choice([ending, ending, ending, choose.choice(ENDINGS) if wild else ending]))
    text = "".join(lines)
    if choose.random() < 0.4:
        text = text.rstrip("\r\n")
    data = text.encode()
    if choose.random() < 0.04:
        data = b"\xef\xbb\xbf" + data
    if choose.random() < 0.04:
        at = choose.randrange(len(data) + 1)
        data = data[:at] + choose.choice([b"\xff", b"\xc3", b"\xed\xa0\x80"]) + data[at:]
    return data


def mutate(data: bytes, choose: random.Random) -> bytes:
    """Removes, repeats or swaps pieces of a file."""
    lines = data.splitlines(keepends=True) or [b""]
    for _ in range(choose.randrange(1, 4)):
        at = choose.randrange(len(lines))
        action = choose.randrange(5)
        if action == 0:
            lines.insert(at, choose.choice(lines))
        elif action == 1 and len(lines) > 1:
            del lines[at]
        elif action == 2:
            lines[at] = choose.choice(INDENTS).encode() + lines[at]
        elif action == 3:
            position = choose.randrange(len(lines[at]) + 1)
            piece = choose.choice([b"\r", b"\n", b" ", b"\t", b"=", b":", b"#", b"[", b"]", b"\x0c", b"\xc2\xa0", b"\x00"])
            lines[at] = lines[at][:position] + piece + lines[at][position:]
        else:
            lines.insert(at, generate(choose))
    return b"".join(lines)


class Readers:
    """Python's readers. They read a file by its path, as applications do."""

    def __init__(self, directory: Path):
        self.path = directory / "credentials"

    def configparser(self, data: bytes):
        """All sections, values and defaults, or None if the file is refused."""
        self.path.write_bytes(data)
        parser = configparser.RawConfigParser()
        try:
            parser.read([self.path])
        except (configparser.Error, UnicodeDecodeError):
            return None
        sections = {name: dict(parser.items(name)) for name in parser.sections()}
        return {"sections": sections, "defaults": dict(parser.defaults())}

    def botocore(self, data: bytes):
        """The files as botocore's loaders return them, or None if the file is refused."""
        self.path.write_bytes(data)
        try:
            raw = botocore.configloader.raw_config_parse(str(self.path))
            flat = botocore.configloader.raw_config_parse(str(self.path), parse_subsections=False)
            profiles = botocore.configloader.load_config(str(self.path))
            merged = botocore.configloader.multi_file_load_config(str(self.path))
        except botocore.exceptions.ConfigParseError:
            return None
        if any(name.startswith("profile") and PROFILE in name for name in raw):
            # In a config file, `[profile default]` is the same profile as `[default]`. In a credentials file it is another one.
            return {"raw": raw, "flat": flat}
        return {"raw": raw, "flat": flat, "profiles": profiles, "merged": merged}

    def credentials(self, data: bytes):
        self.path.write_bytes(data)
        provider = botocore.credentials.SharedCredentialProvider(str(self.path), PROFILE)
        found = provider.load().get_frozen_credentials()
        return [found.access_key, found.secret_key, found.token]


class Helper:
    """The program that writes into files: see oracle.rs."""

    def __init__(self, program: str):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def write(self, data: bytes):
        self.process.stdin.write(struct.pack(">I", len(data)) + data)
        self.process.stdin.flush()
        before, after, written = (self._frame() for _ in range(3))
        return json.loads(before), json.loads(after), written[1:] if written.startswith(b"+") else None

    def _frame(self) -> bytes:
        (length,) = struct.unpack(">I", self._read(4))
        return self._read(length)

    def _read(self, length: int) -> bytes:
        data = self.process.stdout.read(length)
        assert len(data) == length, "the helper ended"
        return data


def without_owned(read):
    """Removes what a write may change: credvend's keys in its section, and the section if nothing else is in it."""

    def strip(sections):
        kept = {}
        for name, values in sections.items():
            if isinstance(values, dict) and name.strip(" \t") == PROFILE:
                values = {key: value for key, value in values.items() if key not in OWNED}
            kept[name] = values
        return kept

    if "sections" in read:
        return {"sections": strip(read["sections"]), "defaults": read["defaults"]}
    return {
        view: strip(values) | ({"profiles": strip(values["profiles"])} if view in ("profiles", "merged") else {})
        for view, values in read.items()
    }


def add_missing(before, after, defaults):
    """Adds the section to what was read before the write, with the defaults of section DEFAULT."""
    values = {key: value for key, value in defaults.items() if key not in OWNED}
    if "sections" in before:
        before["sections"].setdefault(PROFILE, values)
        return
    for view, profiles in before.items():
        profiles_after = after[view]
        if view in ("profiles", "merged"):
            profiles, profiles_after = profiles["profiles"], profiles_after["profiles"]
        profiles.setdefault(PROFILE, profiles_after.get(PROFILE) if defaults else {})


def check(data: bytes, helper: Helper, readers: Readers, counts: dict) -> None:
    model_before, model_after, written = helper.write(data)
    counts["cases"] += 1
    parsed = readers.configparser(data)
    read = readers.botocore(data)
    assert model_before == (read and read["flat"]), ("the model of the old file", model_before, read and read["flat"])
    counts["readable by botocore"] += read is not None
    if written is None:
        counts["refused"] += 1
        counts["refused, readable by botocore"] += read is not None
        return
    parsed_after, read_after = readers.configparser(written), readers.botocore(written)
    assert model_after == (read_after and read_after["flat"]), ("the model of the new file", model_after, read_after and read_after["flat"])
    assert parsed is None or parsed_after is not None, "configparser refuses the new file"
    assert read is None or read_after is not None, "botocore refuses the new file"
    if read_after is not None:
        counts["written and readable by botocore"] += 1
        section = read_after["flat"][PROFILE]
        assert {key: section.get(key) for key in OWNED} == {**NEW, "aws_security_token": None}, section
        assert readers.credentials(written) == list(NEW.values())
    for before, after in ((parsed, parsed_after), (read, read_after)):
        if before is not None:
            before, after = without_owned(before), without_owned(after)
            add_missing(before, after, parsed["defaults"])
            assert before == after, (before, after)


def minimize(data: bytes, fails) -> bytes:
    """Removes pieces of a failing case as long as it fails."""
    size = max(1, len(data) // 2)
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size:]
            if fails(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--cases", type=int, default=20_000, help="number of generated files")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("helper")
    arguments.add_argument("corpus", nargs="*", type=Path)
    options = arguments.parse_args()
    choose = random.Random(options.seed)
    # The target's inputs start with a byte that selects the profiles.
    corpus = [path.read_bytes()[1:] for directory in options.corpus for path in sorted(directory.iterdir())]
    helper = Helper(options.helper)
    counts = dict.fromkeys(["cases", "readable by botocore", "refused", "refused, readable by botocore", "written and readable by botocore"], 0)
    with tempfile.TemporaryDirectory() as directory:
        readers = Readers(Path(directory))

        def failure(data: bytes):
            try:
                check(data, helper, readers, counts)
            except AssertionError as error:
                return error
            return None

        def cases():
            yield from corpus
            for _ in range(options.cases):
                is_mutation = corpus and choose.random() < 0.3
                yield mutate(choose.choice(corpus), choose) if is_mutation else generate(choose)

        for data in cases():
            if failure(data) is not None:
                smallest = minimize(data, lambda shorter: failure(shorter) is not None)
                print(f"oracle: FAILED for {smallest!r}: {failure(smallest)}", file=sys.stderr)
                return 1
    print("oracle: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
