"""The plot of the soak as SVG, in the colors of the page that shows it."""

WIDTH, HEIGHT = 760, 300
LEFT, RIGHT, TOP, BOTTOM = 56, 56, 34, 40

STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .axis { stroke: #8c959f; stroke-width: 1 }
  .outage { fill: #8c959f; opacity: 0.18 }
  .memory { stroke: #0969da; fill: none; stroke-width: 1.5 }
  .descriptors { stroke: #bc4c00; fill: none; stroke-width: 1.5 }
  text.memory { fill: #0969da; stroke: none } text.descriptors { fill: #bc4c00; stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .memory { stroke: #58a6ff } .descriptors { stroke: #f0883e }
    text.memory { fill: #58a6ff } text.descriptors { fill: #f0883e }
  }
"""


def plot(samples, outages):
    """Returns the SVG text for samples of (seconds, memory in MiB, descriptors, threads) and the spans of the outages."""
    seconds = max(samples[-1][0], 1)
    memory, descriptors = (_ceiling(max(sample[index] for sample in samples)) for index in (1, 2))
    across = lambda time: LEFT + (WIDTH - LEFT - RIGHT) * min(time, seconds) / seconds
    up = lambda value, top: HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top
    line = lambda index, top: " ".join(f"{across(sample[0]):.1f},{up(sample[index], top):.1f}" for sample in samples)
    parts = [
        f'<rect class="outage" x="{across(begin):.1f}" y="{TOP}" width="{across(end) - across(begin):.1f}" '
        f'height="{HEIGHT - TOP - BOTTOM}"/>' for begin, end in outages
    ]
    parts += [
        f'<path class="axis" d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}V{TOP}" fill="none"/>',
        f'<polyline class="memory" points="{line(1, memory)}"/>',
        f'<polyline class="descriptors" points="{line(2, descriptors)}"/>',
        f'<text class="memory" x="{LEFT}" y="20">resident memory (MiB)</text>',
        f'<text class="descriptors" x="{WIDTH - RIGHT}" y="20" text-anchor="end">open descriptors</text>',
        f'<text x="{WIDTH / 2}" y="20" text-anchor="middle">gray: no usable session from STS</text>' if outages else "",
    ]
    for part in (0, 0.5, 1):
        height = up(part, 1) + 4
        parts.append(f'<text class="memory" x="{LEFT - 6}" y="{height:.0f}" text-anchor="end">{memory * part:g}</text>')
        parts.append(f'<text class="descriptors" x="{WIDTH - RIGHT + 6}" y="{height:.0f}">{descriptors * part:g}</text>')
        parts.append(
            f'<text x="{across(seconds * part):.0f}" y="{HEIGHT - 16}" text-anchor="middle">{seconds * part / 60:.0f} min</text>'
        )
    body = "\n".join(part for part in parts if part)
    title = "Memory and descriptors of credvend during the soak"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">\n'
        f"<title>{title}</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def _ceiling(value):
    """Returns an even number above the value, so that half of it is whole."""
    step = 4 if value < 40 else 20
    return step * (int(value * 1.2) // step + 1)
