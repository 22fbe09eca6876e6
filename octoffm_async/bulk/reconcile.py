"""Reconciliation: what became of sendings whose answer is not known, found out on the remote side.

An item that was found exists. One that was not found may still become visible (a replica lags, a request was slow), so
it is looked for again until ``patience`` seconds have passed since it can have left at the latest; only then, and only
after a thorough look that proves it, it counts as absent, and may be sent again. Where no order of ours is known that
the list could show, twice as long, and one alone: the list must show that one before it proves anything of the others.
Where a look leaves a doubt, an item is not absent but undecided, and is not sent again. All items that are open at a
time share each scan.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .controls import Control, Evidence, Known
from .gathering import not_shown
from .journal import ABSENT_MOST, LOOK_UP_MOST, UNDECIDED, State, is_long_ago
from .likeness import alike
from .taken import was_taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
    from collections.abc import Set as AbstractSet

    from .claims import Claims
    from .controls import Controls, LookUp, OneFirst
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
_AGES = timedelta(days=36_500)
"""More than any clock is wrong."""
ONE_FIRST = not_shown(
    "no order of ours is known that it could show: one is sent again first, and the others once it has shown that one"
)
"""The doubt of what is to be looked for again once another one, which is absent too, has been sent again."""
NONE_KNOWN = not_shown(
    "no order of ours is known that it could show, and one at the most is sent again without that (run again once any "
    "order has been created through the same journal)"
)
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
    one_first: OneFirst | None = None,
    owners: Owners | None = None,
    rivals: Collection[str] = (),
) -> AsyncIterator[Decision]:
    """Decide each key: its matches, or none once it is absent, or why its absence is not proven.

    ``sent_at`` tells when each key was sent at the earliest, by our clock, and ``ago`` how many seconds ago at the
    latest (since then, if not given): a request may wait long for its turn. ``api_at`` is what the API's own clock
    showed before, where that is known, and ``api_clock`` what it shows now. ``rest`` waits between scans; if it says
    no, the keys that are left stay undecided. ``look_up`` tells which of the rows that only look like a key are other
    items of ours, ``controls`` which orders the list must show; ``None`` if it need not show any. Where it can be asked
    for none, ``one_first`` chooses the only key that may be absent. ``owners`` tells what is surely another order's,
    and ``rivals`` are other references that are undecided. Two matches of one key are two real things: that is told in
    the log as an error.

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
        known: Known | None = None
        ripe_in = 0.0
        if absent and controls is not None:
            times = [open_keys[key] for key in absent]
            known = await controls(min(times), max(times))
            if shown and (known.ripe_in or not known.controls):
                known = known._replace(controls=list(shown.values())[:_SHOWN_MOST], ripe_in=0.0)
            ripe_in, longer = known.ripe_in, 0.0 if known.controls else patience
            absent = {key for key in absent if not ripe_in and began >= due[key] + longer}
        if absent:
            clocks = [api_at[key] for key in absent if key in api_at]
            must_show, created = (None, 0) if known is None else (known.controls, known.created)
            first, last = min(clocks, default=None), max(clocks, default=None)
            evidence = Evidence(first, last, must_show, look_up, created, waited=patience)
            look = partial(finder.prove, evidence=evidence)
            proof = await _found(look, {key: open_keys[key] for key in absent}, look_up, owners, undecided)
            shown |= {key: Control(key, open_keys[key]) for key in absent if proof.matches.get(key)}
            decisions = [_decision(key, proof, undecided) for key in open_keys if key in absent]
            if must_show is not None and not must_show and one_first is not None:
                decisions = await _but_one(decisions, one_first)
                undecided |= {decision.key for decision in decisions if decision.doubt}
            for decision in decisions:
                del open_keys[decision.key]
                yield decision
        if open_keys:
            left = max(ripe_in, max(due[key] for key in open_keys) + longer - clock())
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


async def _but_one(decisions: list[Decision], one_first: OneFirst) -> list[Decision]:
    """The decisions where the list could show no order of ours: of what it does not show, one may be absent."""
    doubts = await one_first({decision.key for decision in decisions if not decision.matches and not decision.doubt})
    return [each._replace(doubt=doubts.get(each.key, each.doubt)) for each in decisions]


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

    Where it knows younger ones only, those, and when they are old enough by a clock that nobody sets: our wall clock
    may have been ahead when they were created, and none would ever be old enough by it. What was sent nobody knows when
    has no neighbours: its controls are those of the others, or the last one of all.
    """
    seen: dict[str, float] = {}

    async def near(first: datetime, last: datetime) -> Known:
        if is_long_ago(first):
            first = last = utc_now() if is_long_ago(last) else last
        now = asyncio.get_running_loop().time()
        ripe = utc_now() - timedelta(seconds=max(0.0, patience - _NOTED_WITHIN))
        found = await book.created_near(first, last, ripe=ripe)
        ripe_in = 0.0
        if not found:
            found = await book.created_near(first, last, ripe=ripe + _AGES)
            ages = [now - seen.setdefault(entry.key, now) for entry in found]
            ripe_in = max(0.0, patience - min(ages, default=patience))
        count = await book.count_created(first, ripe=ripe)
        return Known([Control(entry.key, entry.sent_at) for entry in found], count, ripe_in)

    return near


def one_first_of(book: Book, claims: Claims, entries: Mapping[str, Entry], waiting: Collection[str]) -> OneFirst:
    """Choose what is sent again where no order of ours is known: one of what is ``waiting``, and no other one after it.

    None is chosen while one that was is undecided: one of which the journal knows an absence, or which this process
    chose. ``entries`` are those that are undecided. Those of killed runs may never have left, and the last of them are
    the least likely to have, for a run sends in the order of its input. What is not sent again anyway is no matter.
    """

    async def choose(absent: Collection[str]) -> str | None:
        keys = [key for key in waiting if key in absent][::-1]
        keys.sort(key=lambda key: entries[key].state is not State.SENT)
        if not keys or any(entry.absences for entry in entries.values()):
            return None
        if (before := claims.sent_first) is not None:
            (entry,) = await book.look_up([before])
            is_open = entry is not None and (entry.state in UNDECIDED or entry.state is State.PENDING)
            if is_open or claims.sent_first != before:  # another call has chosen meanwhile
                return None
        claims.sent_first = keys[0]
        return keys[0]

    async def doubts(absent: Collection[str]) -> dict[str, str]:
        held = {key for key in absent if not braked(entries[key]) and not was_taken(entries[key])}
        one = await choose(held)
        return dict.fromkeys(held - {one}, NONE_KNOWN if one is None else ONE_FIRST)

    return doubts


def braked(entry: Entry) -> str:
    """Why an item that is absent is not sent again by itself, or nothing: of two sendings, one should have arrived."""
    return _ABSENT_AGAIN if entry.absences >= ABSENT_MOST else ""


def utc_now() -> datetime:
    """Now, by our clock."""
    return datetime.now(UTC)
