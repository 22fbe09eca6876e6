"""Reconciliation: what became of sendings whose answer is not known, found out on the remote side.

An item that was found exists. One that was not found may still become visible (a replica lags, a request was slow), so
it is looked for again until ``patience`` seconds have passed since it can have left at the latest; only then, and only
after a thorough look that proves it, it counts as absent, and may be sent again. Where no order of ours is known that
the list could show, twice as long. Where a look leaves a doubt, it is not
absent but undecided, and is not sent again. All items that are open at a time share each scan.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .controls import Control, Evidence
from .journal import ABSENT_MOST, LOOK_UP_MOST, State, is_long_ago
from .likeness import alike

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
    from collections.abc import Set as AbstractSet

    from .controls import Controls, LookUp
    from .finding import Finder
    from .gathering import Findings, Match
    from .journal import Book, Entry, Journal
    from .owning import Owners

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0
_NOTED_WITHIN = 0.1
"""Seconds after which the journal has noted what was created."""
_SHOWN_MOST = 5
"""Orders that were looked for and found, which a list is checked with where the journal knows none yet."""
_ABSENT_AGAIN = (
    "it was not there, was sent again, and is not there again: it is not sent a third time by itself; look it up, and "
    "say what you found: octoffm jobs settle KEY --absent, or --created ID"
)


class Decision(NamedTuple):
    """What is known of a key in the end: its matches; without any it is absent, unless there is a ``doubt``."""

    key: str
    matches: list[Match]
    doubt: str = ""


class Look(Protocol):
    """A look of a finder: a quick one or a thorough one."""

    def __call__(self, wanted: Collection[str], *, since: datetime) -> Awaitable[Findings]: ...


logger = logging.getLogger("octoffm_async")


async def reconcile(
    finder: Finder,
    sent_at: Mapping[str, datetime],
    *,
    patience: float,
    ago: Mapping[str, float] | None = None,
    api_at: Mapping[str, datetime] | None = None,
    api_clock: Callable[[], datetime | None] = lambda: None,
    rest: Callable[[float], Awaitable[bool]] | None = None,
    look_up: LookUp | None = None,
    controls: Controls | None = None,
    owners: Owners | None = None,
    rivals: Collection[str] = (),
) -> AsyncIterator[Decision]:
    """Decide each key: its matches, or none once it is absent, or why its absence is not proven.

    ``sent_at`` tells when each key was sent at the earliest, by our clock, and ``ago`` how many seconds ago at the
    latest (since then, if not given): a request may wait long for its turn. ``api_at`` is what the API's own clock
    showed before, where that is known, and ``api_clock`` what it shows now. ``rest`` waits between scans; if it says
    no, the keys that are left stay undecided. ``look_up`` tells which of the rows that only look like a key are other
    items of ours, ``controls`` which orders the list must show; ``None`` if it need not show any. ``owners``
    tells what is surely another order's, and ``rivals`` are other references that are undecided. Two matches of one
    key are two real things: that is told in the log as an error.

    Raises:
        CallError: the remote side could not be read.
    """
    clock = asyncio.get_running_loop().time
    open_keys, api_at = dict(sent_at), api_at or {}
    ages = ago or {key: time.time() - at.timestamp() for key, at in sent_at.items()}
    due = {key: clock() + patience - max(0.0, age) for key, age in ages.items()}
    pause, longer = min(FIRST_PAUSE, patience), 0.0
    by_api = False
    shown: dict[str, Control] = {}
    undecided = {*open_keys, *(rivals if alike(open_keys, set(rivals).difference(open_keys)) else ())}
    while open_keys:
        began = clock()
        found = await _found(finder.find, open_keys, look_up, owners, undecided)
        if not by_api and (api_now := api_clock()) is not None:
            by_api = True
            for key, at in api_at.items():  # our clock may have been put forward since
                due[key] = max(due[key], began + patience - max(0.0, (api_now - at).total_seconds()))
        shown |= {key: Control(key, open_keys[key]) for key in open_keys if found.matches.get(key)}
        ripe = {key for key in open_keys if began >= due[key]}
        absent = {key for key in ripe if not found.matches.get(key) and not found.doubt_of(key)}
        undecidable = ripe - absent
        for key in [key for key in open_keys if found.matches.get(key) or key in undecidable]:
            del open_keys[key]
            yield _decision(key, found, undecided)
        known: list[Control] | None = None
        if absent and controls is not None:
            times = [open_keys[key] for key in absent]
            known = await controls(min(times), max(times)) or list(shown.values())[:_SHOWN_MOST]
            longer = 0.0 if known else patience
            absent = {key for key in absent if began >= due[key] + longer}
        if absent:
            clocks = [api_at[key] for key in absent if key in api_at]
            evidence = Evidence(min(clocks, default=None), max(clocks, default=None), known, look_up)
            look = partial(finder.prove, evidence=evidence)
            proof = await _found(look, {key: open_keys[key] for key in absent}, look_up, owners, undecided)
            shown |= {key: Control(key, open_keys[key]) for key in absent if proof.matches.get(key)}
            for key in [key for key in open_keys if key in absent]:
                del open_keys[key]
                yield _decision(key, proof, undecided)
        if open_keys:
            left = max(due[key] for key in open_keys) + longer - clock()
            if not await (rest or sleep)(min(max(left, 0.01), pause)):
                return
            pause = min(LONGEST_PAUSE, pause * 2)


def _decision(key: str, found: Findings, undecided: set[str]) -> Decision:
    """What is known of a key in the end; unless that leaves a doubt, it is undecided no more."""
    matches = found.matches.get(key, [])
    if len(matches) > 1:
        ids = ", ".join(str(match.id) for match in matches)
        logger.error("DUPLICATE: reference %r exists %d times remotely: %s", key, len(matches), ids)
    doubt = "" if matches else found.doubt_of(key)
    if not doubt:
        undecided.discard(key)
    return Decision(key, matches, doubt)


async def _found(
    look: Look,
    sent_at: Mapping[str, datetime],
    look_up: LookUp | None,
    owners: Owners | None,
    undecided: AbstractSet[str],
) -> Findings:
    """What a look shows, without the rows that are other items of ours: those have the very reference of an item.

    If another one that is ``undecided`` may be taken for one of these, all are looked for with them: they may show
    whether the list keeps references.
    """
    wanted = {*undecided} if alike(sent_at, undecided - sent_at.keys()) else {*sent_at}
    found = await look(wanted, since=min(sent_at.values()))
    if look_up is not None:
        found = found.without(await _known(found, look_up))
    return found if owners is None else await owners.sift(found, wanted)


async def _known(found: Findings, look_up: LookUp) -> dict[str, Entry | None]:
    known: dict[str, Entry | None] = {}
    keys = list(found.others())
    for start in range(0, len(keys), LOOK_UP_MOST):
        some = keys[start : start + LOOK_UP_MOST]
        known.update(zip(some, await look_up(some), strict=True))
    return known


async def sleep(seconds: float) -> bool:
    """Wait; yes, go on."""
    await asyncio.sleep(seconds)
    return True


def left_ago(entry: Entry, journal: Journal, *, over_for: float | None) -> float:
    """How many seconds ago a request of an undecided item can have left at the latest.

    ``sent`` is written before the request waits for its turn, which may take long; but nothing of a process that is
    gone left after this one had the ``journal`` alone. ``over_for`` is for how long a request of this process is over,
    if one is: by a clock that nobody sets, while our wall clock may have been put forward.
    """
    now = utc_now()
    opened_at = journal.opened_at
    ages = [] if over_for is None else [over_for]
    if entry.left_by is not None:
        ages.append((now - entry.left_by).total_seconds())
    elif entry.state is State.UNKNOWN:
        ages.append((now - entry.changed_at).total_seconds())
    elif opened_at is not None and entry.changed_at < opened_at:
        ages.append((now - opened_at).total_seconds())
        if journal.opened_on is not None:
            ages.append(asyncio.get_running_loop().time() - journal.opened_on)
    else:
        ages.append(0.0)
    return max(0.0, min(ages))


def controls_of(book: Book, patience: float) -> Controls:
    """The controls that a journal knows, for so long that the list must show them.

    What was sent nobody knows when has no neighbours: its controls are those of the others, or the last one of all.
    """

    async def near(first: datetime, last: datetime) -> list[Control]:
        if is_long_ago(first):
            first = last = utc_now() if is_long_ago(last) else last
        ripe = utc_now() - timedelta(seconds=max(0.0, patience - _NOTED_WITHIN))
        found = await book.created_near(first, last, ripe=ripe)
        return [Control(entry.key, entry.sent_at) for entry in found]

    return near


def braked(entry: Entry) -> str:
    """Why an item that is absent is not sent again by itself, or nothing: of two sendings, one should have arrived."""
    return _ABSENT_AGAIN if entry.absences >= ABSENT_MOST else ""


def utc_now() -> datetime:
    """Now, by our clock."""
    return datetime.now(UTC)
