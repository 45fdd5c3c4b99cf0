"""Draws the panels of a Grafana dashboard as SVG, at their places in its grid."""

import math
from html import escape

COLUMN, ROW, GAP, HEADER = 50, 27, 8, 34
COLORS = ["#56a64b", "#3274d9", "#e0701a", "#8f3bb8", "#c4162a", "#0f7b7b", "#8c6d1f", "#6e7781"]
NAMED = {"green": "#56a64b", "red": "#e02f44", "orange": "#e0701a"}
STYLE = """
text { font: 11px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 12px }
.row { font-weight: 600; font-size: 14px }
.axis { fill: #57606a; font-size: 10px }
.panel { fill: #ffffff; stroke: #d0d7de }
.grid { stroke: #eaeef2 }
.span { fill: #8c959f; opacity: 0.16 }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round }
"""


def svg(panels, start, end, spans):
    """Returns the SVG text. `panels` are pairs of a panel and its series: pairs of a legend and a list of (time, value)."""
    width = 24 * COLUMN
    height = HEADER + ROW * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in panels)
    marks = [(chr(ord("A") + index), *span) for index, span in enumerate(spans.values())]
    legend = " · ".join(f"{mark} {label}" for (mark, *_), label in zip(marks, spans, strict=True))
    body = [
        f'<rect width="{width}" height="{height}" fill="#f6f8fa"/>',
        f'<text class="row" x="{GAP}" y="22">credvend</text><text x="100" y="22">gray: {escape(legend)}</text>',
    ]
    for panel, series in panels:
        place = panel["gridPos"]
        x, y = place["x"] * COLUMN, HEADER + place["y"] * ROW
        if panel["type"] == "row":
            body.append(f'<text class="row" x="{GAP}" y="{y + 20}">{escape(panel["title"])}</text>')
            continue
        frame = Frame(x + GAP / 2, y + GAP / 2, place["w"] * COLUMN - GAP, place["h"] * ROW - GAP, start, end, marks)
        body += [frame.background(panel["title"]), *DRAWN[panel["type"]](frame, panel, series)]
    title = "The dashboard of credvend during a run with faults"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n" + "\n".join(part for part in body if part) + "\n</svg>\n"
    )


class Frame:
    """The rectangle of a panel, with the plot inside."""

    def __init__(self, x, y, width, height, start, end, marks):
        self.x, self.y, self.width, self.height = x, y, width, height
        self.start, self.end, self.marks = start, end, marks
        self.left, self.right = x + 52, x + width - 10
        self.top, self.bottom = y + 36, y + height - 36

    def background(self, title):
        return (
            f'<rect class="panel" x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}" rx="3"/>'
            f'<text class="title" x="{self.x + 8:g}" y="{self.y + 17:g}">{escape(title)}</text>'
        )

    def across(self, time):
        return self.left + (self.right - self.left) * (time - self.start) / (self.end - self.start)

    def spans(self):
        """Returns the gray spans of the faults, and the axis of the time in minutes."""
        for mark, begin, end in self.marks:
            x = self.across(self.start + begin)
            width = max(self.across(self.start + end) - x, 2)
            yield f'<rect class="span" x="{x:.1f}" y="{self.top:g}" width="{width:.1f}" height="{self.bottom - self.top:g}"/>'
            yield f'<text class="axis" x="{x + width / 2:.1f}" y="{self.top - 3:g}" text-anchor="middle">{mark}</text>'
        minutes = int((self.end - self.start) // 60)
        for minute in range(minutes + 1):
            x = self.across(self.start + 60 * minute)
            label = f"{minute} min" if minute == minutes else str(minute)
            anchor = "end" if minute == minutes else "middle"
            yield f'<text class="axis" x="{x:.1f}" y="{self.bottom + 13:g}" text-anchor="{anchor}">{label}</text>'

    def legend(self, entries):
        """Returns the legend: as many pairs of a color and a text as have room."""
        x, y = self.x + 8, self.y + self.height - 8
        for color, text in entries:
            width = 20 + 5.7 * len(text)
            if x + width > self.x + self.width:
                yield f'<text class="axis" x="{x:.0f}" y="{y:g}">…</text>'
                return
            yield f'<rect x="{x:.0f}" y="{y - 6:g}" width="10" height="3" fill="{color}"/>'
            yield f'<text class="axis" x="{x + 13:.0f}" y="{y:g}">{escape(text)}</text>'
            x += width


def stat(frame, panel, series):
    defaults = panel["fieldConfig"]["defaults"]
    name_too = panel["options"]["textMode"] == "value_and_name"
    for index, (legend, values) in enumerate(series):
        value = values[-1][1]
        steps = defaults.get("thresholds", {}).get("steps", [])
        colors = [step["color"] for step in steps if step["value"] is None or value >= step["value"]]
        text = formatted(value if "decimals" not in defaults else round(value, defaults["decimals"]), defaults["unit"]) + (f" × {legend}" if name_too else "")
        size = 16 if name_too else 26
        yield (
            f'<text x="{frame.x + frame.width / 2:g}" y="{frame.y + 66 + 22 * index:g}" text-anchor="middle" '
            f'style="font-size:{size}px;fill:{NAMED.get(colors[-1], colors[-1]) if colors else "#1f2328"}">{escape(text)}</text>'
        )


def timeline(frame, panel, series):
    mapping = panel["fieldConfig"]["defaults"]["mappings"][0]["options"]
    yield from frame.spans()
    height = 26
    for index, (legend, values) in enumerate(series):
        y = frame.top + 24 + index * (height + 18)
        yield f'<text class="axis" x="{frame.left:g}" y="{y - 4:g}">{escape(legend)}</text>'
        runs = []
        step = values[1][0] - values[0][0] if len(values) > 1 else 1
        for time, value in values:
            if runs and runs[-1][2] == value and time - runs[-1][1] <= 1.5 * step:
                runs[-1][1] = time
            else:
                runs.append([time, time, value])
        for begin, end, value in runs:
            x, until = frame.across(begin), frame.across(min(end + step, frame.end))
            color = NAMED[mapping[f"{value:g}"]["color"]]
            yield f'<rect x="{x:.1f}" y="{y:g}" width="{until - x:.1f}" height="{height:g}" fill="{color}"/>'
    yield from frame.legend((NAMED[state["color"]], state["text"]) for state in mapping.values())


def lines(frame, panel, series):
    unit = panel["fieldConfig"]["defaults"]["unit"]
    finite = [value for _, values in series for _, value in values if math.isfinite(value)]
    low, high = min([0, *finite]), ceiling(max([0, *finite]), unit)
    # A time in whole seconds is up to one second ago.
    low = -ceiling(-low, unit) if low < -0.05 * high else 0
    up = lambda value: frame.bottom - (frame.bottom - frame.top) * (value - low) / (high - low)
    yield from frame.spans()
    for value in {low, 0, high / 2, high}:
        yield f'<path class="grid" d="M{frame.left:g} {up(value):.1f}H{frame.right:g}"/>'
        yield f'<text class="axis" x="{frame.left - 5:g}" y="{up(value) + 3:.1f}" text-anchor="end">{formatted(value, unit)}</text>'
    for index, (_, values) in enumerate(series):
        path, before = "", None
        step = min((later[0] - one[0] for one, later in zip(values, values[1:])), default=1)
        for time, value in values:
            if not math.isfinite(value):
                before = None
                continue
            command = "L" if before is not None and time - before <= 1.5 * step else "M"
            path += f"{command}{frame.across(time):.1f} {up(value):.1f}"
            before = time
        if path:
            yield f'<path class="line" stroke="{COLORS[index % len(COLORS)]}" d="{path}"/>'
    yield from frame.legend((COLORS[index % len(COLORS)], legend) for index, (legend, _) in enumerate(series))


DRAWN = {"stat": stat, "state-timeline": timeline, "timeseries": lines}


def ceiling(value, unit):
    """Returns a round number that is not below the value."""
    if value <= 0:
        return 1
    if unit == "s" and value > 30:
        return 60 * math.ceil(value / 60)
    power = 10 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 3, 4, 5, 6, 8, 10) if value <= factor * power)


def formatted(value, unit):
    match unit:
        case "s" if value and abs(value) < 1:
            return f"{value * 1000:g} ms"
        case "s" if abs(value) >= 60:
            return f"{round(value / 60, 1):g} min"
        case "s":
            return f"{value:.3g} s"
        case "cpm":
            return f"{value:g}/min"
        case "reqps":
            return f"{value:g}/s"
        case _:
            return f"{value:.3g}"
