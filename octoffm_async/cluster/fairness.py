"""Whose turn it is, how long it lasts, and what comes after a turn that failed: pure decisions, and their simulation.

*Turns come round.* The queue holds one turn a lane (a seller and a kind of creation), first in, first out; the turn
that ends queues its lane's next one, behind all that wait. Within a lane the jobs take turns too: the one whose last
turn is the longest ago comes next. So a seller with a thousand chunks waits as long for each as one with a single
chunk, one that comes late waits one round and not for the files of others, and nothing starves.

*A turn is short.* It ends with its chunk, or after :data:`SLICE` seconds: what was not read by then is put off to the
lane's next turn. Without that, sellers with low limits would keep the places of a busy fleet, for their chunks take
longest.

*Why the queue does not hold all chunks*, with the chunk's number in its lane as priority: it does the same for files
that come at once, but a seller that comes late goes before everybody until it has caught up, and the engine's choice
of the next job looks through all that wait. Measured on two cores, one choice costs 0.3 ms with 1,000 waiting turns
of as many lanes, 1 ms with 10,000, and 5 ms with 200,000 chunks of 10,000 lanes; ten billion items are 20 million.

:func:`simulate` plays a fleet through with a clock of its own. With 10,000 sellers (of which a hundredth has a hundred
times as much as the others, and another hundredth comes late) ``tests/cluster/test_fairness.py`` holds it to what is
said above.
"""

from __future__ import annotations

import heapq
from itertools import count
from statistics import mean, quantiles
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SLICE: Final = 30.0
"""Seconds after which a turn reads no more items."""
MOST_TRIES: Final = 5
"""Tries of a chunk after which what is left of it waits for a person."""
MOST_BEGUN: Final = 50
"""Turns of one chunk in a row that may die with their worker: one that kills its workers is set aside."""
FIRST_PAUSE: Final = 2.0
LONGEST_PAUSE: Final = 300.0

Policy: TypeAlias = Literal["files", "numbers", "turns"]


def pause_after(tries: int) -> float:
    """Seconds that a chunk rests after so many failed tries: 2, 8, 32, 128, then 300."""
    return min(FIRST_PAUSE * 4.0 ** max(0, tries - 1), LONGEST_PAUSE)


class Seller(msgspec.Struct, frozen=True, kw_only=True):
    """A seller of the simulation: so much work, in chunks that take so long, from a moment on."""

    chunks: int
    seconds: float = 25.0
    arrives: float = 0.0


class Fate(msgspec.Struct, frozen=True, kw_only=True):
    """What a seller saw: when its first chunk began and its last one ended, from its arrival, and its longest wait."""

    first: float
    last: float
    longest: float


class Simulated(msgspec.Struct, frozen=True, kw_only=True):
    """What a fleet did: each seller's fate, and until when and how busy its places were."""

    fates: list[Fate]
    seconds: float
    busy: float

    def waits(self, which: Iterable[int]) -> tuple[float, float, float]:
        """Of some sellers: the mean wait for the first chunk, its 95th percentile, and the longest wait for any."""
        fates = [self.fates[place] for place in which]
        firsts = [fate.first for fate in fates]
        late = quantiles(firsts, n=20)[-1] if len(firsts) > 1 else firsts[0]
        return mean(firsts), late, max(fate.longest for fate in fates)


def simulate(
    sellers: Sequence[Seller], *, places: int, policy: Policy = "turns", slice_after: float | None = SLICE
) -> Simulated:
    """Play a fleet with so many places through to the end. One lane a seller, one chunk of a lane at a time.

    ``turns`` is what is done here; ``files`` serves files in the order in which they came, ``numbers`` puts all chunks
    into the queue with the chunk's number in its file as priority.
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
                continue  # all that happens at this moment comes first
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
        """Begin a turn; how long it lasts."""
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
