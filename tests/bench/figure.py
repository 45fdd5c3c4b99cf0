"""What a benchmark returns: a figure, the figure of another program beside it, and the goal."""

from dataclasses import dataclass

from samples import Spread, ratio, spread


@dataclass(frozen=True)
class Goal:
    """The value that a figure, or its ratio to that of another program, has to keep."""

    relation: str
    value: float
    unit: str

    def is_met(self, value):
        return value <= self.value if self.relation == "≤" else value >= self.value


@dataclass(frozen=True)
class Comparison:
    """The same measure of another program, in the same minute."""

    program: str
    value: Spread
    ratio: Spread


@dataclass(frozen=True)
class Figure:
    """One row of the table."""

    group: str
    name: str
    unit: str
    value: Spread
    comparison: Comparison | None = None
    goal: Goal | None = None
    limit: Goal | None = None

    def judged(self):
        """Returns the value that the goal is about."""
        return self.comparison.ratio.median if self.comparison and self.goal.unit == "×" else self.value.median

    def is_goal_met(self):
        # As the table shows it.
        return self.goal.is_met(round(self.judged(), 2))

    def exceeds_limit(self):
        return self.limit is not None and not self.limit.is_met(self.value.median)


def single(group, name, unit, value, **options):
    """Returns the figure of a value that was measured once."""
    return Figure(group, name, unit, Spread(value, value, value), **options)


def compared(group, name, unit, ours, program, others, **options):
    """Returns the figure of samples that were taken in turn with those of another program."""
    return Figure(group, name, unit, spread(ours), Comparison(program, spread(others), ratio(ours, others)), **options)
