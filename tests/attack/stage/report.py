"""The report of a scenario: figures, each with its limit, and failures."""

import threading

# Scenarios run in parallel; their lines must not be interleaved.
_print_lock = threading.Lock()


class Skipped(Exception):
    """The machine lacks something that the scenario needs."""


class Report:
    """Collects the figures of one scenario. A figure beyond its limit does not end the scenario."""

    def __init__(self, name, promise):
        self.name = name
        self.promise = promise
        self.figures = []
        self.failures = []
        self.skipped = None
        self.duration = 0.0

    def figure(self, label, value, unit="", at_most=None, at_least=None, exactly=None):
        """Adds a figure and compares it with its limit."""
        limits = [("≤", at_most, lambda: value <= at_most), ("≥", at_least, lambda: value >= at_least), ("=", exactly, lambda: value == exactly)]
        text = f"{label} {_format(value, unit)}"
        for sign, limit, holds in limits:
            if limit is None:
                continue
            if value is None or not holds():
                self.failures.append(f"{label}: {_format(value, unit)}, not {sign} {_format(limit, unit)}")
            if sign != "=":
                text += f" ({sign} {_format(limit, unit)})"
        self.figures.append(text)

    def that(self, claim, holds, found=""):
        """Adds a failure unless the claim holds."""
        if not holds:
            self.failures.append(f"{claim}: {found}" if found != "" else f"not true: {claim}")

    def fail(self, reason):
        self.failures.append(str(reason).rstrip())

    @property
    def result(self):
        if self.skipped:
            return "SKIP"
        return "FAIL" if self.failures else "ok"

    def print(self):
        """Prints the line of this scenario, and a line for each failure."""
        with _print_lock:
            print(f"{self.result:4} {self.name}: {self.skipped or '; '.join(self.figures)} [{self.duration:.0f} s]")
            for failure in self.failures:
                print(f"     {self.name}: {failure}", flush=True)


def table(reports):
    """Returns the Markdown table of all figures."""
    rows = ["| scenario | promise | result | figures |", "| --- | --- | --- | --- |"]
    for report in reports:
        figures = report.skipped or "; ".join(report.figures)
        rows.append(f"| `{report.name}` | {_cell(report.promise)} | {report.result} | {_cell(figures)} |")
    return "\n".join(rows) + "\n"


def _cell(text):
    return " ".join(text.replace("|", "\\|").split())


def _format(value, unit):
    if isinstance(value, float):
        value = f"{value:.3f}" if abs(value) < 1 else f"{value:.1f}"
    elif isinstance(value, int) and not isinstance(value, bool):
        value = f"{value:,}"
    return f"{value} {unit}".rstrip()
