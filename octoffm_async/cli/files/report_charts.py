"""Charts of a report as SVG text, without a library."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT = 640, 180
_LEFT, _TOP, _BOTTOM, _RIGHT = 2, 4, 2, 2


def curve(counts: Sequence[int], width: float, what: str) -> str:
    """Draw counts in bins of ``width`` seconds, as a rate over time."""
    rates = [count / width for count in counts]
    top = max(rates) if any(rates) else 1.0
    end = len(counts) * width
    across, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    step = across / len(rates)
    base = _TOP + high
    points = [f"{_LEFT},{base}"]
    for place, rate in enumerate(rates):
        y = base - high * rate / top
        points += [f"{_LEFT + step * place:.1f},{y:.1f}", f"{_LEFT + step * (place + 1):.1f},{y:.1f}"]
    points.append(f"{_LEFT + across},{base}")
    area = f'<polygon points="{" ".join(points)}" fill="var(--blue)" fill-opacity=".55" stroke="var(--blue)"/>'
    label = f"{what} per second, at most {_short(top)}"
    return _framed(label, area, "0 s", _time(end))


def bars(counts: Sequence[tuple[str, int]], what: str) -> str:
    """Draw a bar for each name."""
    top = max((count for _, count in counts), default=1) or 1
    across, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    step = across / max(1, len(counts))
    parts: list[str] = []
    for place, (name, count) in enumerate(counts):
        tall = high * count / top
        parts.append(
            f'<rect x="{_LEFT + step * (place + 0.08):.1f}" y="{_TOP + high - tall:.1f}" width="{step * 0.84:.1f}" '
            f'height="{tall:.1f}" fill="var(--blue)"><title>up to {escape(name)}: {count:,}</title></rect>'
        )
    first, last = (counts[0][0], counts[-1][0]) if counts else ("", "")
    return _framed(f"{what}, at most {top:,}", "".join(parts), f"up to {first}", f"up to {last}")


def _framed(label: str, inner: str, first: str, last: str) -> str:
    base = _HEIGHT - _BOTTOM
    return (
        f"<figure><figcaption>{escape(label)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(label)}">'
        f'{inner}<line x1="{_LEFT}" y1="{base}" x2="{_WIDTH - _RIGHT}" y2="{base}" stroke="var(--line)"/></svg>'
        f'<div class="ends"><span>{escape(first)}</span><span>{escape(last)}</span></div></figure>'
    )


def _short(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}"


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds < 120 else f"{seconds / 60:.1f} min"
