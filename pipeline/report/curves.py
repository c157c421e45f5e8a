"""Loss curves as inline SVG, one small chart per column."""

import itertools
import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 260, 130
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 24, 20
POINTS = 200


def charts(columns: Mapping[str, Sequence[float]]) -> str:
    """A chart for every column over the first one (step, epoch or frame); columns that never change are left out."""
    names = list(columns)
    x = columns[names[0]]
    varied = [name for name in names[1:] if len({v for v in columns[name] if math.isfinite(v)}) > 1]
    return '<div class="charts">' + "".join(chart(name, names[0], x, columns[name]) for name in varied) + "</div>"


def chart(name: str, x_name: str, x: Sequence[float], y: Sequence[float]) -> str:
    """One line chart (SVG), at most POINTS points, each the mean of its share of the rows."""
    points = _thinned([(a, b) for a, b in zip(x, y, strict=True) if math.isfinite(a) and math.isfinite(b)])
    if not points:
        return ""
    low, high = min(b for _, b in points), max(b for _, b in points)
    first, last = points[0][0], points[-1][0]
    span_x, span_y = max(last - first, 1e-12), max(high - low, 1e-12)

    def place(point: tuple[float, float]) -> str:
        px = LEFT + (point[0] - first) / span_x * (WIDTH - LEFT - RIGHT)
        py = TOP + (high - point[1]) / span_y * (HEIGHT - TOP - BOTTOM)
        return f"{px:.1f},{py:.1f}"

    line = " ".join(map(place, points))
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">'
        f'<text x="{LEFT}" y="15">{escape(name)}</text>'
        f'<text class="soft" x="{WIDTH - RIGHT}" y="15" text-anchor="end">{low:.4g} to {high:.4g}, ends at {points[-1][1]:.4g}</text>'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linejoin="round"/>'
        f'<text class="soft" x="{LEFT}" y="{HEIGHT - 6}">{escape(x_name)} {first:g}</text>'
        f'<text class="soft" x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{last:g}</text></svg>'
    )


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most POINTS points: means over equal shares of the rows."""
    if len(points) <= POINTS:
        return points
    edges = [round(i * len(points) / POINTS) for i in range(POINTS + 1)]
    shares = [points[a:b] for a, b in itertools.pairwise(edges)]
    return [(sum(a for a, _ in s) / len(s), sum(b for _, b in s) / len(s)) for s in shares]
