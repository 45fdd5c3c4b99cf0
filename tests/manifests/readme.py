"""Reads the READMEs of k8s/: sections, code blocks, tables, commands and inline code."""

import re
import textwrap

import rendered

MANUAL = rendered.K8S / "README.md"
ADMISSION = rendered.K8S / "admission" / "README.md"

BLOCK = re.compile(r"(?ms)^( *)```(\w+)\n(.*?)^ *```$")
INLINE = re.compile(r"`([^`\n]+)`")


def section(text, heading):
    """Returns the text under a heading, up to the next heading of the same or a higher level."""
    level = len(heading) - len(heading.lstrip("#"))
    _, found, rest = text.partition(f"\n{heading}\n")
    if not found:
        raise ValueError(f"there is no heading {heading!r}")
    return re.split(rf"(?m)^#{{1,{level}}} ", rest)[0]


def code_blocks(text, language):
    """Returns the content of the fenced code blocks of a language, without the indentation of a list item."""
    return [textwrap.dedent(body) for _, name, body in BLOCK.findall(text) if name == language]


def shell_commands(block):
    """Returns the commands of a shell block: one per line, with continuation lines joined and comments removed."""
    lines = block.replace("\\\n", " ").splitlines()
    commands = (re.sub(r"(^|\s+)#.*", "", line).strip() for line in lines)
    return [re.sub(r"\s+", " ", command) for command in commands if command]


def inline_code(text):
    """Returns the inline code outside of code blocks."""
    return INLINE.findall(BLOCK.sub("", text))


def tables(text):
    """Yields each table as a list of rows; a row maps the heading of a column to the text of the cell."""
    for table in re.findall(r"(?m)(?:^\|.*\n)+", text):
        header, _, *rows = ([cell.strip() for cell in line.strip()[1:-1].split("|")] for line in table.splitlines())
        yield [dict(zip(header, row, strict=True)) for row in rows]


def table(text, heading):
    """Returns the rows of the only table under a heading."""
    (rows,) = tables(section(text, heading))
    return rows
