"""Simulation of a fleet's scheduling, with a clock of its own: round-robin beside two policies that were rejected.

:mod:`octoffm_async.cluster.scheduling` describes the policy; ``tests/unit/cluster/test_fairness.py`` holds the
simulation to that description.
"""

from __future__ import annotations

import heapq
from itertools import count
from statistics import mean, quantiles
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec

from octoffm_async.cluster.scheduling import CHUNK_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Policy: TypeAlias = Literal["files", "numbers", "turns"]


class Seller(msgspec.Struct, frozen=True, kw_only=True):
    """A simulated seller: the number of its chunks, the seconds that each takes, and the second of its arrival."""

    chunks: int
    seconds: float = 25.0
    arrives: float = 0.0


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """The waits of a seller in seconds: from arrival until its first chunk began and its last ended; the longest."""

    first: float
    last: float
    longest: float


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a simulation: each seller's waits, the total seconds, and the share of time in use."""

    fates: list[Fate]
    seconds: float
    busy: float

    def waits(self, which: Iterable[int]) -> tuple[float, float, float]:
        """Return the mean wait of some sellers for the first chunk, its 95th percentile, and the longest for any."""
        fates = [self.fates[place] for place in which]
        firsts = [fate.first for fate in fates]
        late = quantiles(firsts, n=20)[-1] if len(firsts) > 1 else firsts[0]
        return mean(firsts), late, max(fate.longest for fate in fates)


def simulate(
    sellers: Sequence[Seller], *, places: int, policy: Policy = "turns", slice_after: float | None = CHUNK_SECONDS
) -> Simulated:
    """Simulate a fleet that processes ``places`` chunks at once, until all work is done.

    Each seller has one partition, and each partition has one chunk in work at a time. ``turns`` is the policy of the
    package (round-robin); ``files`` serves files in the order in which they came, ``numbers`` puts all chunks into the
    queue with the chunk's number in its file as priority.
    """
    return _Fleet(sellers, policy, slice_after).play(places)


class _Fleet:
    def __init__(self, sellers: Sequence[Seller], policy: Policy, slice_after: float | None) -> None:
        self._sellers = sellers
        self._policy: Policy = policy
        self._slice = slice_after
        self._order = count()
        self._waiting: list[tuple[float, int, int]] = []
        self._since = [seller.arrives for seller in sellers]
        self._left = [seller.chunks * seller.seconds for seller in sellers]
        self._first: list[float | None] = [None] * len(sellers)
        self._last = [0.0] * len(sellers)
        self._longest = [0.0] * len(sellers)
        self._busy = 0.0

    def play(self, places: int) -> Simulated:
        sellers = self._sellers
        events = [(seller.arrives, place) for place, seller in enumerate(sellers) if seller.chunks]
        heapq.heapify(events)
        free, now = places, 0.0
        running = set[int]()
        while events:
            now, place = heapq.heappop(events)
            if place in running:
                running.discard(place)
                free += 1
                self._last[place] = now - sellers[place].arrives
            if self._left[place] > 0:
                self._wait(place, now)
            if events and events[0][0] == now:
                continue  # handle all events of this moment first
            while free and self._waiting:
                chosen = heapq.heappop(self._waiting)[2]
                running.add(chosen)
                free -= 1
                heapq.heappush(events, (now + self._begin(chosen, now), chosen))
        fates = [
            Fate(first=first or 0.0, last=last, longest=longest)
            for first, last, longest in zip(self._first, self._last, self._longest, strict=True)
        ]
        return Simulated(fates=fates, seconds=now, busy=self._busy / (places * now) if now else 0.0)

    def _wait(self, place: int, now: float) -> None:
        seller = self._sellers[place]
        self._since[place] = now
        match self._policy:
            case "turns":
                rank = 0.0
            case "numbers":
                rank = float(seller.chunks - -(-self._left[place] // seller.seconds))
            case "files":
                rank = seller.arrives
        behind = place if self._policy == "files" else next(self._order)
        heapq.heappush(self._waiting, (rank, behind, place))

    def _begin(self, place: int, now: float) -> float:
        """Begin a chunk of a seller, and return the seconds that it lasts."""
        seller = self._sellers[place]
        waited = now - self._since[place]
        if self._first[place] is None:
            self._first[place] = now - seller.arrives
        self._longest[place] = max(self._longest[place], waited)
        lasts = self._left[place] % seller.seconds or seller.seconds
        if self._slice is not None:
            lasts = min(lasts, self._slice)
        self._left[place] -= lasts
        self._busy += lasts
        return lasts
