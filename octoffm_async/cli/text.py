"""Text for people: ages, counts, and foreign text without control characters."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_STEPS = ((60, 1, "s"), (3600, 60, "min"), (2 * 86400, 3600, "h"))
_DAY = 86400


def age(then: datetime, now: datetime) -> str:
    """Return an age such as ``3 h ago``."""
    seconds = int((now - then).total_seconds())
    if seconds < 1:
        return "just now"
    for bound, unit, name in _STEPS:
        if seconds < bound:
            return f"{seconds // unit} {name} ago"
    return f"{seconds // _DAY:,} days ago"


def items(count: int, kind: str = "") -> str:
    """Return a count such as ``1 item``, ``2,000 items``, ``3 undecided items``."""
    return f"{count:,} {kind}{' ' if kind else ''}item{'' if count == 1 else 's'}"


def printable(text: str) -> str:
    """Return foreign text as one line without control characters."""
    one_line = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in one_line)


def hanging(head: str, rest: str, width: int | None) -> str:
    """Return ``head`` and ``rest``, the latter wrapped beside or below it; a width of ``None`` wraps nothing."""
    if width is None or len(head) + len(rest) <= width:
        return f"{head}{rest}".rstrip()
    indent = len(head) if len(head) <= width // 2 else 6
    first = head if indent == len(head) else f"{head.rstrip()}\n{' ' * indent}"
    wrapped = textwrap.wrap(rest, max(20, width - indent), break_on_hyphens=False)
    return first + f"\n{' ' * indent}".join(wrapped)


def span(seconds: float) -> str:
    """Return a duration such as ``45 s``, ``4 min``, ``1 h 59 min``, ``2 days 3 h``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} days {hours} h" if hours else f"{days} days"
