"""The tables of the README, from the results of a whole run."""

import re
from collections import defaultdict

from matrix.outputs import OUTPUTS

MATRIX, FILES, BEHAVIOR = BLOCKS = ("client matrix", "clients and files", "client behavior")
TITLES = {
    "renews": "renews",
    "unavailable": "503 for the first 3 s",
    "pair": "webhook's variables left in",
    "proxy": "proxy without `NO_PROXY`",
}


def tables(clients, results):
    """Returns the Markdown of each block."""
    return {
        MATRIX: _matrix(clients, results),
        FILES: _files(clients, results),
        BEHAVIOR: _behavior(clients, results),
    }


def document(blocks):
    """Returns all blocks, each between its markers."""
    return "\n\n".join(between_markers(name, text) for name, text in blocks.items()) + "\n"


def between_markers(name, text):
    return f"<!-- {name}: begin -->\n\n{text}\n\n<!-- {name}: end -->"


def _pattern(name):
    return re.compile(rf"<!-- {name}: begin -->\n\n(.*?)\n\n<!-- {name}: end -->", re.DOTALL)


def write_into(readme, blocks):
    """Replaces the blocks in the README."""
    text = readme.read_text()
    for name, block in blocks.items():
        text, count = _pattern(name).subn(lambda _: between_markers(name, block), text)
        if count != 1:
            raise SystemExit(f"{readme.name} has {count} blocks with the name {name}, not 1")
    readme.write_text(text)


def complaints(readme, clients):
    """Returns what the tables in the README lack: a block, a client, an output, or a client that is no more."""
    text, found = readme.read_text(), []
    for name in BLOCKS:
        match = _pattern(name).search(text)
        if not match:
            found.append(f"there is no block {name}; it belongs between <!-- {name}: begin --> and <!-- {name}: end -->")
            continue
        block = match[1]
        expected = {client.title for client in clients if name != BEHAVIOR or client.repeats}
        shown = set(_titles(block, name))
        if name == MATRIX:
            expected |= set(OUTPUTS)
            shown |= {cell.strip() for cell in block.splitlines()[0].split("|")[2:-1]}
        for problem, names in (("lacks", expected - shown), ("has what the suite does not have:", shown - expected)):
            if names:
                found.append(f"the block {name} {problem} {', '.join(sorted(names))}")
    return found


def _titles(block, name):
    """The clients in a block: rows begin with them; the block about files has lists of them in the second column."""
    rows = [line.split("|")[1:-1] for line in block.splitlines() if line.startswith("|")][2:]
    for row in rows:
        cells = [cell.strip() for cell in row]
        yield from cells[1].split(", ") if name == FILES else [cells[0]]


def _matrix(clients, results):
    notes, rows = [], [f"| client | {' | '.join(OUTPUTS)} |", f"| --- |{' :-: |' * len(OUTPUTS)}"]
    for client in clients:
        if client.name in results.not_tried:
            rows.append(f"| {client.title} | {' | '.join(['not tried'] + [''] * (len(OUTPUTS) - 1))} |")
            continue
        rows.append(f"| {client.title} | {' | '.join(_cell(client, output, results, notes) for output in OUTPUTS)} |")
    legend = ", ".join(f"{output.name}: {output.title}" for output in OUTPUTS.values())
    lines = [*rows, "", f"{legend}."]
    if notes:
        lines += ["", "<br>\n".join(f"<sup>{number}</sup> {note}" for number, note in enumerate(notes, 1))]
    return "\n".join(lines)


def _cell(client, output, results, notes):
    outcomes = results.cells.get((client.name, output), {})
    usable = outcomes.get("first") or outcomes.get("rotation")
    if not usable:
        return "–"
    texts = []
    if output in client.fails:
        texts = [client.fails[output]]
    elif output in client.needs:
        texts = [client.needs[output].note]
    texts += [reason for (name, check), reason in client.exceptions.items() if name == output and check in outcomes]
    works = usable.ok or (output, "rotation") in client.exceptions
    return ("✔" if works else "✗") + "".join(f"<sup>{_note(text, notes)}</sup>" for text in texts)


def _note(text, notes):
    if text not in notes:
        notes.append(text)
    return notes.index(text) + 1


def _files(clients, results):
    groups = defaultdict(list)
    for client in clients:
        outcome = results.cells.get((client.name, "CF"), {}).get("reads-again")
        if client.name in results.not_tried:
            groups["not tried"].append(client.title)
        elif "CF" in client.fails:
            groups["does not read it"].append(client.title)
        elif not client.repeats:
            groups["at each invocation"].append(client.title)
        elif outcome:
            groups[outcome.text if outcome.ok else "not known"].append(client.title)
        else:
            groups["not known"].append(client.title)
    rows = ["| reads the file again | client |", "| --- | --- |"]
    return "\n".join(rows + [f"| {text} | {', '.join(titles)} |" for text, titles in sorted(groups.items())])


def _behavior(clients, results):
    columns = [("EF", "renews"), ("IM", "renews"), ("EF", "unavailable"), ("EF", "pair"), ("CP", "pair"), ("EF", "proxy"), ("IM", "proxy")]
    rows = [f"| client | {' | '.join(f'{TITLES[check]} ({output})' for output, check in columns)} |", "| --- |" + " --- |" * len(columns)]
    for client in clients:
        if not client.repeats:
            continue
        cells = []
        for output, check in columns:
            outcome = results.cells.get((client.name, output), {}).get(check)
            cells.append(outcome.text if outcome else "–")
        rows.append(f"| {client.title} | {' | '.join(cells)} |")
    return "\n".join(rows)
