"""The options of the harness: number of rounds, sizes, peers, output folder."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .child import Loop

OUT = Path("benchmark-results")


class Processors(NamedTuple):
    """Processors that the stub and the clients are bound to; empty: all."""

    stub: list[int]
    client: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings that all parts share."""

    rounds: int = 5
    seconds: float = 0.4
    """Approximate length of one measurement; each subject gets as many calls as fit in."""
    turns: int = 10
    """A measurement has at least this many calls for each one in flight."""
    size: int | None = None
    """The exact number of calls, pages or items of a measurement, if it is given."""
    in_flight: int = 50
    loop: Loop = "uvloop"
    peers: tuple[str, ...] = ()
    """The peers to measure; empty: all whose packages are installed."""
    only: tuple[str, ...] = ()
    """Words that the names of the cases of a cold start hold, all of them."""
    pin: bool = True
    plots: bool = True
    out: Path = field(default=OUT)

    def calls(self, seconds_each: float, *, least: int = 1, most: int = 100_000) -> int:
        """Return the number of calls of this length in a measurement."""
        if self.size is not None:
            return self.size
        return max(least, min(most, round(self.seconds / max(seconds_each, 1e-7))))

    def processors(self) -> Processors:
        """Return one processor for the stub and the others for the clients, so that they do not compete."""
        if not self.pin or not hasattr(os, "sched_getaffinity"):
            return Processors([], [])
        usable = sorted(os.sched_getaffinity(0))
        return Processors(usable[-1:], usable[:-1]) if len(usable) > 1 else Processors([], [])
