"""Reconciliation: what became of sendings whose answer is not known, found out on the remote side.

An item that was found exists. One that was not found may still become visible (a replica lags, a request was slow), so
it is looked for again until ``patience`` seconds have passed since it can have left at the latest; only then, and only
after a thorough look that proves it, it counts as absent, and may be sent again. Where a look leaves a doubt, it is not
absent but undecided, and is not sent again. All items that are open at a time share each scan.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from .gathering import not_shown
from .journal import LOOK_UP_MOST, State

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence

    from .finding import Finder
    from .gathering import Findings, Match
    from .journal import Entry

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0


class Decision(NamedTuple):
    """What is known of a key in the end: its matches; without any it is absent, unless there is a ``doubt``."""

    key: str
    matches: list[Match]
    doubt: str = ""


LookUp: TypeAlias = "Callable[[Sequence[str]], Awaitable[list[Entry | None]]]"
"""What the journal knows of up to ``LOOK_UP_MOST`` keys, in their order."""


class Look(Protocol):
    """A look of a finder: a quick one or a thorough one."""

    def __call__(self, wanted: Collection[str], *, since: datetime) -> Awaitable[Findings]: ...


logger = logging.getLogger("octoffm_async")


async def reconcile(
    finder: Finder,
    sent_at: Mapping[str, datetime],
    *,
    patience: float,
    left_by: Mapping[str, datetime] | None = None,
    rest: Callable[[float], Awaitable[bool]] | None = None,
    look_up: LookUp | None = None,
    controls: Callable[[], Collection[str]] = tuple,
) -> AsyncIterator[Decision]:
    """Decide each key: its matches, or none once it is absent, or why its absence is not proven.

    ``sent_at`` tells when each key was sent at the earliest, by our clock, and ``left_by`` when at the latest (the same
    if not given): a request may wait long for its turn. ``rest`` waits between scans; if it says no, the keys that are
    left stay undecided. ``look_up`` tells which of the rows that only look like a key are other items of ours.
    ``controls`` tells keys that are known to exist: a list that shows neither one of them nor any other key proves no
    absence. Two matches of one key are two real things: that is told in the log as an error.

    Raises:
        CallError: the remote side could not be read.
    """
    open_keys = dict(sent_at)
    left = {key: at.timestamp() for key, at in (left_by or sent_at).items()}
    pause = min(FIRST_PAUSE, patience)
    shown = False
    while open_keys:
        began = time.time()
        found = await _found(finder.find, open_keys, look_up)
        shown = shown or any(found.matches.values())
        ripe = {key for key in open_keys if began - left[key] >= patience}
        absent = {key for key in ripe if not found.matches.get(key) and not found.doubt_of(key)}
        undecidable = ripe - absent
        for key in [key for key in open_keys if found.matches.get(key) or key in undecidable]:
            del open_keys[key]
            yield _decision(key, found)
        if absent:
            known = controls()
            proof = await _found(finder.prove, {key: open_keys[key] for key in absent}, look_up, also=known)
            shown = shown or any(proof.matches.values())
            if known and not shown and not proof.doubt:
                why = f"it does not show {next(iter(known))!r} either, which is known to exist"
                proof = proof._replace(doubt=not_shown(why))
            if proof.uncounted and not proof.doubt and not shown and not await _shows_ours(proof, look_up):
                proof = proof._replace(doubt=proof.uncounted)
            for key in [key for key in open_keys if key in absent]:
                del open_keys[key]
                yield _decision(key, proof)
        if open_keys:
            due = max(left[key] for key in open_keys) + patience - time.time()
            if not await (rest or sleep)(min(max(due, 0.01), pause)):
                return
            pause = min(LONGEST_PAUSE, pause * 2)


def _decision(key: str, found: Findings) -> Decision:
    matches = found.matches.get(key, [])
    if len(matches) > 1:
        ids = ", ".join(str(match.id) for match in matches)
        logger.error("DUPLICATE: reference %r exists %d times remotely: %s", key, len(matches), ids)
    return Decision(key, matches, "" if matches else found.doubt_of(key))


async def _found(
    look: Look, sent_at: Mapping[str, datetime], look_up: LookUp | None, *, also: Collection[str] = ()
) -> Findings:
    """What a look shows, without the rows that are other items of ours: those have the very reference of an item."""
    found = await look({*sent_at, *also}, since=min(sent_at.values()))
    if look_up is None:
        return found
    known: dict[str, Entry | None] = {}
    keys = list(found.others())
    for start in range(0, len(keys), LOOK_UP_MOST):
        some = keys[start : start + LOOK_UP_MOST]
        known.update(zip(some, await look_up(some), strict=True))
    return found.without(known)


async def _shows_ours(proof: Findings, look_up: LookUp | None) -> bool:
    keys = [row.reference for row in proof.others_shown]
    return bool(keys) and look_up is not None and proof.shows_ours(await look_up(keys))


async def sleep(seconds: float) -> bool:
    """Wait; yes, go on."""
    await asyncio.sleep(seconds)
    return True


def left_by(entry: Entry, *, alone_since: datetime | None) -> datetime:
    """When a request of an undecided item can have left at the latest, by our clock.

    ``sent`` is written before the request waits for its turn, which may take long; but nothing of a process that is
    gone left after this one had the journal alone.
    """
    now = utc_now()
    if entry.left_by is not None:
        return min(entry.left_by, now)
    if entry.state is State.UNKNOWN:
        return min(entry.changed_at, now)
    if alone_since is not None and entry.changed_at < alone_since:
        return alone_since
    return now


def utc_now() -> datetime:
    """Now, by our clock."""
    return datetime.now(UTC)
