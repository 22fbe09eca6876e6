"""Charts of a report as SVG text with axes, without a library.

The drawing is stretched to the width of the page; the labels of its axes are text of the page beside it, which is not.
"""

from __future__ import annotations

from html import escape
from math import ceil, floor, log10
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT = 640, 180
_FEWEST_BINS = 12
_FEW = 5
"""Mean count of a bin below which bins are put together: a rate of single events says nothing."""
_TIMES = (("s", 1.0, 120.0), ("min", 60.0, 7200.0), ("h", 3600.0, float("inf")))
"""Units of a time axis: name, seconds, and the seconds from which the next one is used."""
_TICKS = 6


def curve(counts: Sequence[int], width: float, end: float, what: str) -> str:
    """Draw counts in bins of ``width`` seconds, as a rate over the time from 0 to ``end``."""
    end = max(end, width * (len(counts) - 1) + 1e-3)
    counts = list(counts)
    while len(counts) >= 2 * _FEWEST_BINS and sum(counts) < _FEW * len(counts):
        counts = [sum(counts[place : place + 2]) for place in range(0, len(counts), 2)]
        width *= 2
    highest = max(counts) / width
    top, ticks = _count_axis(highest)
    step = _WIDTH * width / end
    points = [f"0,{_HEIGHT}"]
    for place, count in enumerate(counts):
        y = _HEIGHT * (1 - count / width / top)
        points += [f"{step * place:.1f},{y:.1f}", f"{min(step * (place + 1), _WIDTH):.1f},{y:.1f}"]
    points.append(f"{_WIDTH},{_HEIGHT}")
    area = f'<polygon points="{" ".join(points)}" fill="var(--blue)" fill-opacity=".55" stroke="var(--blue)"/>'
    title = f"{what} per second over time: {_number(highest)} at most, {_number(sum(counts) / end)} on average"
    return _framed(title, area, _time_ticks(end), [(share, f"{_number(value)}/s") for share, value in ticks])


def bars(counts: Sequence[tuple[float, int]], what: str) -> str:
    """Draw a bar for each bucket of durations: its end in seconds, and its count."""
    top, ticks = _count_axis(max((count for _, count in counts), default=0), whole=True)
    step = _WIDTH / max(1, len(counts))
    parts: list[str] = []
    for place, (end, count) in enumerate(counts):
        tall = _HEIGHT * count / top
        parts.append(
            f'<rect x="{step * (place + 0.08):.1f}" y="{_HEIGHT - tall:.1f}" width="{step * 0.84:.1f}" '
            f'height="{tall:.1f}" fill="var(--blue)"><title>up to {duration(end)}: {count:,}</title></rect>'
        )
    every = ceil(len(counts) / _TICKS)
    below = [((place + 1) / len(counts), duration(counts[place][0])) for place in range(every - 1, len(counts), every)]
    return _framed(what, "".join(parts), below, [(share, _number(value)) for share, value in ticks])


def duration(seconds: float) -> str:
    """Return a duration with three digits, such as ``1.56 ms``, ``250 ms``, ``12.5 s``, ``3 min``."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.3g} min"


def _framed(title: str, inner: str, below: Sequence[tuple[float, str]], beside: Sequence[tuple[float, str]]) -> str:
    """Return a drawing between its axes; labels stand at shares of the width and of the height."""
    lines = "".join(
        f'<line x1="0" y1="{_HEIGHT * (1 - share):.1f}" x2="{_WIDTH}" y2="{_HEIGHT * (1 - share):.1f}" '
        'stroke="var(--line)" vector-effect="non-scaling-stroke"/>'
        for share, _ in beside
    )
    y = "".join(f'<span style="bottom:{share:.1%}">{escape(label)}</span>' for share, label in beside)
    x = "".join(f'<span style="left:{share:.1%}">{escape(label)}</span>' for share, label in below)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><div class="chart"><div class="y">{y}</div>'
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(title)}">'
        f'{lines}{inner}</svg><div class="x">{x}</div></div></figure>'
    )


def _count_axis(highest: float, *, whole: bool = False) -> tuple[float, list[tuple[float, float]]]:
    """Return the end of an axis for values from 0 to ``highest``, and its ticks: share of the axis and value."""
    step = _round_up((highest or 1.0) / 2)
    if whole:
        step = max(1.0, step)
    top = step * ceil((highest or 1.0) / step)
    return top, [(step * number / top, step * number) for number in range(round(top / step) + 1)]


def _time_ticks(end: float) -> list[tuple[float, str]]:
    """Return the ticks of a time axis from 0 to ``end`` seconds, in the unit that fits it."""
    unit, seconds, _ = next(one for one in _TIMES if end < one[2])
    step = _round_up(end / seconds / _TICKS)
    return [
        (step * number * seconds / end, f"{step * number:g} {unit}" if number else "0")
        for number in range(floor(end / seconds / step * 1.0001) + 1)
    ]


def _round_up(value: float) -> float:
    """Return the next of …, 0.1, 0.2, 0.5, 1, 2, 5, 10, …"""
    power = 10.0 ** floor(log10(value))
    return next(float(f"{factor * power:.12g}") for factor in (1, 2, 5, 10) if factor * power >= value * 0.9999)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
