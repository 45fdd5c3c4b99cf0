"""Writes the results of one run into results.json, and from there into README.md and the plots."""

import json
import textwrap
from dataclasses import asdict
from pathlib import Path

import endpoint
import one_shots
import plot
import rewrite
import table
from figure import Comparison, Figure, Goal
from samples import Spread

HERE = Path(__file__).parent
README = HERE.parents[1] / "README.md"
RESULTS = HERE / "results.json"
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"

# The bars of the plot of ratios: the group and the name of the figure, the other program, and the label.
RATIOS = [
    (one_shots.GROUP, "`export`", "curl", "export vs. curl"),
    (one_shots.GROUP, "`process`", "curl", "process vs. curl"),
    (one_shots.GROUP, "`process --from-endpoint`", "curl", "process --from-endpoint vs. curl"),
    (one_shots.GROUP, "`export`", "AWS CLI", "export vs. AWS CLI"),
    (endpoint.KEPT, endpoint.CAPACITY, "nginx", "endpoint vs. nginx, by CPU time"),
    (endpoint.CLOSED, endpoint.CAPACITY, "nginx", "the same, a connection each"),
    (rewrite.GROUP, rewrite.BEYOND, "configparser", "file of 1 MiB vs. configparser"),
    (rewrite.GROUP, rewrite.WHOLE, "aws configure", "file of 1 MiB vs. aws configure set"),
]


def write(machine, figures, crates):
    """Writes everything from one run."""
    document = {"machine": machine, "figures": [rounded(asdict(figure)) for figure in figures], "crates": crates or published_crates()}
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    render()


def rounded(value):
    """Returns the value with numbers of five significant digits."""
    if isinstance(value, dict):
        return {name: rounded(part) for name, part in value.items()}
    return float(f"{value:.5g}") if isinstance(value, float) else value


def published_crates():
    return json.loads(RESULTS.read_text())["crates"] if RESULTS.exists() else []


def render():
    """Writes README.md and the plots from results.json."""
    for file, text in rendered().items():
        file.write_text(text)


def outdated():
    """Returns the names of the files that are not those that results.json gives, if there is one."""
    if not RESULTS.exists():
        return []
    return [file.name for file, text in rendered().items() if not file.exists() or file.read_text() != text]


def rendered():
    """Returns the text of README.md and of the plots."""
    document = json.loads(RESULTS.read_text())
    figures = [figure(fields) for fields in document["figures"]]
    files = {HERE / f"{name}-{theme}.svg": text for theme in plot.THEMES for name, text in plots(theme, figures).items()}
    before, begin, rest = README.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin and end, f"{README.name} has no markers"
    files[README] = before + BEGIN + "\n" + section(document, figures) + "\n" + END + after
    return files


def figure(fields):
    comparison, goal, limit = fields.pop("comparison"), fields.pop("goal"), fields.pop("limit")
    return Figure(
        **{**fields, "value": Spread(**fields["value"])},
        comparison=comparison and Comparison(comparison["program"], Spread(**comparison["value"]), Spread(**comparison["ratio"])),
        goal=goal and Goal(**goal), limit=limit and Goal(**limit),
    )


def plots(theme, figures):
    """Returns the plots by name."""
    ratios = [
        speed(one, label) for group, name, program, label in RATIOS for one in figures
        if (one.group, one.name) == (group, name) and program in one.comparison.program
    ]
    latencies = [
        bar(f"{one.name.removeprefix('latency, ')}, {program}", value, table.number(value.median, "ms"), program != "credvend")
        for one in figures if one.group == endpoint.CONSTANT
        for program, value in (("credvend", one.value), (one.comparison.program, one.comparison.value))
    ]
    return {
        "speed": plot.svg(
            theme, "Speed relative to another program with the same task", plot.RatioAxis,
            "times as fast (logarithmic; 1 is equally fast)", ratios,
        ),
        "latency": plot.svg(
            theme, f"Latency of the endpoint at {endpoint.RATE:,} requests a second", plot.LinearAxis,
            "milliseconds from the time at which the request was due", latencies,
        ),
    }


def speed(one, label):
    """Returns the bar of a ratio, inverted if less is better."""
    ratio = one.comparison.ratio
    if one.unit != "/s":
        ratio = Spread(1 / ratio.median, 1 / ratio.high, 1 / ratio.low)
    return bar(label, ratio, f"{table.number(ratio.median, '')}×")


def bar(label, value, text, is_other_program=False):
    return plot.Bar(label, value.median, value.low, value.high, text, is_other_program)


def section(document, figures):
    """Returns the generated part of README.md."""
    machine = document["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if name != "credvend")
    parts = [
        picture("speed", "Bars: how many times as fast as curl, the AWS CLI, nginx and Python credvend does the same task"),
        picture("latency", "Bars: p50, p99 and p99.9 of the latency of credvend and nginx at 1,000 requests a second"),
        wrapped(
            f"One run of `just bench --update` on {machine['date']}: credvend {machine['versions']['credvend']} beside {versions}, "
            f"on {machine['cores']} cores ({machine['processor']}) with Linux {machine['kernel']}, at a load of {machine['load']:g} from "
            "other programs.",
        ),
        table.markdown(figures),
    ]
    if document["crates"]:
        total = sum(size for _, size in document["crates"])
        listed = ", ".join(f"{name} {100 * size / total:.0f} %" for name, size in document["crates"])
        parts.append(wrapped(f"The code and the constants of the binary by crate: {listed}."))
    return "\n\n".join(parts) + "\n"


def wrapped(text):
    return textwrap.fill(text, 130, break_long_words=False, break_on_hyphens=False)


def picture(name, description):
    return (
        f'<picture>\n  <source media="(prefers-color-scheme: dark)" srcset="tests/bench/{name}-dark.svg">\n'
        f'  <img src="tests/bench/{name}-light.svg" width="800" alt="{description}">\n</picture>'
    )
