"""Plots as SVG: horizontal bars with their quartiles, in the colors of a light and of a dark page."""

import math
from dataclasses import dataclass
from html import escape

WIDTH, LEFT, RIGHT, TOP, ROW = 800, 300, 680, 64, 30
FONT = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"


@dataclass(frozen=True)
class Colors:
    text: str
    muted: str
    grid: str
    credvend: str
    other: str


THEMES = {
    "light": Colors("#1f2328", "#59636e", "#d1d9e0", "#54aeff", "#afb8c1"),
    "dark": Colors("#f0f6fc", "#9198a1", "#3d444d", "#1f6feb", "#656c76"),
}


@dataclass(frozen=True)
class Bar:
    """A value with its quartiles."""

    label: str
    value: float
    low: float
    high: float
    text: str
    is_other_program: bool = False


class LinearAxis:
    """An axis that begins at zero."""

    base = 0.0

    def __init__(self, values):
        power = 10 ** math.floor(math.log10(max(values)))
        self.step = next(step * power for step in (0.1, 0.2, 0.5, 1, 2) if max(values) <= 8 * step * power)
        self.end = self.step * math.ceil(max(values) / self.step)

    def position(self, value):
        return value / self.end

    def ticks(self):
        return [self.step * number for number in range(round(self.end / self.step) + 1)]


class RatioAxis:
    """A logarithmic axis on which bars begin at 1, so that half as fast is as long as twice as fast."""

    base = 1.0
    STEPS = [digit * 10.0**power for power in range(-3, 5) for digit in (1, 2, 5)]

    def __init__(self, values):
        self.first = max(step for step in self.STEPS if step <= min(values) and step < 1)
        self.last = min(step for step in self.STEPS if step >= max(values))

    def position(self, value):
        return math.log(value / self.first) / math.log(self.last / self.first)

    def ticks(self):
        return [step for step in self.STEPS if self.first <= step <= self.last]


def svg(theme, title, axis_type, unit, bars):
    """Returns the text of a plot. Bars with the same label are a group."""
    colors = THEMES[theme]
    axis = axis_type([value for bar in bars for value in (bar.low, bar.value, bar.high)])
    bottom = TOP + ROW * len(bars)
    height = bottom + 48

    def across(value):
        return LEFT + (RIGHT - LEFT) * axis.position(value)

    small = f'text-anchor="middle" font-size="12" fill="{colors.muted}"'
    body = [f'<text x="16" y="26" font-size="15" font-weight="600" fill="{colors.text}">{escape(title)}</text>']
    for tick in axis.ticks():
        stroke = colors.muted if tick == axis.base else colors.grid
        body.append(f'<path d="M{across(tick):.1f} {TOP - 8}V{bottom}" stroke="{stroke}"/>')
        body.append(f'<text x="{across(tick):.1f}" y="{bottom + 18}" {small}>{tick:g}</text>')
    body.append(f'<text x="{(LEFT + RIGHT) / 2:g}" y="{bottom + 38}" {small}>{escape(unit)}</text>')
    for index, bar in enumerate(bars):
        body += drawn(bar, TOP + ROW * index, axis.base, across, colors)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
        'aria-labelledby="title">\n'
        f'<title id="title">{escape(title)}</title>\n<g font-family="{FONT}" font-size="13">\n' + "\n".join(body) + "\n</g>\n</svg>\n"
    )


def drawn(bar, y, base, across, colors):
    """Yields the label, the bar, its quartiles and its value."""
    height, middle = ROW - 8, y + (ROW - 8) / 2
    begin, end = sorted((across(base), across(bar.value)))
    low, high = across(bar.low), across(bar.high)
    fill = colors.other if bar.is_other_program else colors.credvend
    yield f'<text x="{LEFT - 12}" y="{middle + 4.5:g}" text-anchor="end" fill="{colors.text}">{escape(bar.label)}</text>'
    yield f'<rect x="{begin:.1f}" y="{y}" width="{max(1.0, end - begin):.1f}" height="{height}" fill="{fill}"/>'
    if bar.low != bar.high:
        ends = f"M{low:.1f} {middle - 5:g}v10M{high:.1f} {middle - 5:g}v10"
        yield f'<path d="M{low:.1f} {middle:g}H{high:.1f}{ends}" stroke="{colors.text}" stroke-width="1.5" fill="none"/>'
    yield f'<text x="{max(begin, end, high) + 8:.1f}" y="{middle + 4.5:g}" fill="{colors.text}">{escape(bar.text)}</text>'
