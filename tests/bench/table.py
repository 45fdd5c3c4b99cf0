"""The figures as text for a terminal, and as Markdown."""

# Smaller ratios are shown as fractions.
SMALLEST_DECIMAL = 0.1


def number(value, unit):
    """Returns a number with three significant digits and its unit."""
    magnitude = abs(value)
    if magnitude >= 100:
        text = f"{value:,.0f}"
    elif magnitude >= 10:
        text = f"{value:.1f}"
    else:
        text = f"{value:.2f}"
    return f"{text} {unit}".strip().replace(" /s", "/s")


def ratio_text(ratio):
    """Returns a ratio with its quartiles; a small one as a fraction."""
    if ratio.low == ratio.high:
        return f"{ratio.median:.2f}×"
    if ratio.median < SMALLEST_DECIMAL:
        return f"1/{1 / ratio.median:.0f} (1/{1 / ratio.high:.0f} to 1/{1 / ratio.low:.0f})"
    return f"{ratio.median:.2f}× ({ratio.low:.2f} to {ratio.high:.2f})"


def goal_text(figure):
    if not figure.goal:
        return ""
    goal = figure.goal
    value = f"{goal.value:,.2f}".rstrip("0").rstrip(".")
    unit = goal.unit if goal.unit in ("", "×") else f" {goal.unit}"
    return f"{goal.relation} {value}{unit}: {'met' if figure.is_goal_met() else 'not met'}"


def value_text(figure):
    value = figure.value
    text = number(value.median, figure.unit)
    if value.low != value.high:
        text += f" ({number(value.low, '')} to {number(value.high, '')})"
    return text


def cells(figure):
    """Returns the name, the figure, what it is compared with, the ratio and the goal."""
    other = figure.comparison
    if not other:
        return [figure.name, value_text(figure), "", "", goal_text(figure)]
    return [figure.name, value_text(figure), f"{other.program}: {number(other.value.median, figure.unit)}", ratio_text(other.ratio), goal_text(figure)]


def grouped(figures):
    """Yields each group with its figures, in the order in which the groups begin."""
    groups = {}
    for figure in figures:
        groups.setdefault(figure.group, []).append(figure)
    yield from groups.items()


def terminal_line(figure):
    name, value, other, ratio, goal = cells(figure)
    parts = [f"  {name.replace('`', ''):<66} {value:<34}"]
    if other:
        parts.append(f"{ratio:<26} {other.replace('`', '')}")
    if goal:
        parts.append(f"[{goal}]")
    return " ".join(parts).rstrip()


def markdown(figures):
    lines = ["| | credvend | compared with | ratio | goal |", "| --- | --- | --- | --- | --- |"]
    for group, members in grouped(figures):
        lines.append(f"| **{group}** | | | | |")
        lines += ["| " + " | ".join(cells(figure)) + " |" for figure in members]
    return "\n".join(line.replace("|  |", "| |").replace("|  |", "| |") for line in lines)
