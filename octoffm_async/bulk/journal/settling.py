"""A person's word on an item whose sending is undecided: it does not exist, or it is what has this id.

The scan that declares absence cannot always prove it. Who looked in Octopia's own pages knows, and says so here. That
word is believed only where it can be true: of an item that is undecided, that nobody is busy with, and with an id that
can be one and that no other item has. All rules are here; a journal brings the reading and the writing.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ...errors import ConfigurationError, JournalError
from ...session.forms import is_guid, is_identifier
from ..claims import claims_of
from .protocol import Known
from .states import UNDECIDED, Entry, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .protocol import Journal

__all__ = ["Known", "Settling", "Word", "choose", "settle_by_hand", "word_of"]

NEAR_MOST = 10_000
"""Undecided keys among which the nearest to one that is not known is looked for."""
SAMPLE = 20
"""Ids of the same operation that a given one is compared with."""


class Word(NamedTuple):
    """What a person says of items: all are absent, or (``created``) one is what has this id."""

    keys: tuple[str, ...]
    created: str | None
    seller: str | None
    operation: str | None
    note: str

    @property
    def state(self) -> State:
        """What the items are from now on."""
        return State.PENDING if self.created is None else State.CREATED

    @property
    def message(self) -> str:
        """What the journal keeps of it."""
        what = "absent" if self.created is None else "created"
        return f"settled by hand: {what}{f' ({self.note})' if self.note else ''}"


class Settling(Protocol):
    """What a journal does for a word of a person."""

    async def find(self, keys: Sequence[str]) -> list[Known]:
        """The items of keys, of whichever seller and operation."""
        ...

    async def near(self, most: int) -> list[str]:
        """Keys of undecided items."""
        ...

    async def ids(self, known: Known, most: int) -> list[str]:
        """Some of the ids that were created by the operation of an item, for its seller."""
        ...

    async def owner(self, known: Known, remote_id: str) -> str | None:
        """The key that has this id, of the operation of an item."""
        ...

    async def write(self, items: Sequence[Known], word: Word) -> list[str]:
        """Write it down, durably; or nothing, and the keys that another process is busy with."""
        ...


def word_of(
    keys: str | Sequence[str],
    *,
    absent: bool,
    created: str | None,
    seller: str | None,
    operation: str | None,
    note: str,
) -> Word:
    """See that something is said, and one thing only.

    Raises:
        ConfigurationError: it is not.
    """
    named = (keys,) if isinstance(keys, str) else tuple(dict.fromkeys(keys))
    if absent is (created is not None):
        raise ConfigurationError("an item is settled as absent, or as created with its id: say one of both")
    if not named:
        raise ConfigurationError("no item was named")
    if created is not None:
        if len(named) > 1:
            raise ConfigurationError(f"{len(named)} items cannot have one id: name one")
        if not is_identifier(created):
            raise ConfigurationError(f"{created[:100]!r} cannot be the id of an order: copy it as Octopia shows it")
        if created in named:
            raise ConfigurationError(f"{created!r} is the reference itself, not the id that Octopia gave to it")
    return Word(named, created, seller, operation, note)


async def choose(settling: Settling, word: Word) -> list[Known]:
    """The items that are meant, all of which can be settled so.

    Raises:
        ConfigurationError: one is not in the journal, or it is not clear which is meant.
        JournalError: one is decided, or the id belongs to another one.
    """
    found = await settling.find(word.keys)
    chosen = [await _chosen(settling, key, [one for one in found if one.entry.key == key], word) for key in word.keys]
    for seller, operation, entry in chosen:
        if entry.state not in UNDECIDED:
            raise JournalError(f"{entry.key!r} of seller {seller}, {operation}: {_why_decided(entry)}")
    if word.created is not None:
        await _check_id(settling, chosen[0], word.created)
    return chosen


async def settle_by_hand(journal: Journal, settling: Settling, word: Word) -> list[Known]:
    """Settle items, all or none; what they were.

    Raises:
        ConfigurationError, JournalError: as for :func:`choose`, or something is busy with one; nothing was changed.
    """
    chosen = await choose(settling, word)
    held = [(claims_of(journal, one.seller, one.operation), one.entry.key) for one in chosen]
    busy = [key for claims, key in held if not claims.take([key], word)]
    try:
        if not busy:
            chosen = await choose(settling, word)  # now that nobody here can decide them any more
            busy = await settling.write(chosen, word)
    finally:
        for claims, key in held:
            claims.release([key], word)
    if busy:
        raise JournalError(f"a run is busy with {busy[0]!r} right now: wait until it ends; nothing was changed")
    return chosen


async def _chosen(settling: Settling, key: str, found: list[Known], word: Word) -> Known:
    fits = [one for one in found if word.seller in (None, one.seller) and word.operation in (None, one.operation)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        several = "; ".join(f"seller {one.seller}, {one.operation} ({one.entry.state})" for one in fits)
        raise ConfigurationError(f"{key!r} is {len(fits)} items: {several}: name the seller or the operation")
    if found:
        of = "; ".join(f"seller {one.seller}, {one.operation}" for one in found)
        raise ConfigurationError(f"{key!r} is an item of {of}, and of no other")
    near = get_close_matches(key, await settling.near(NEAR_MOST), 1)
    hint = f"; the nearest that is undecided is {near[0]!r}" if near else "; nothing undecided is called like it"
    raise ConfigurationError(f"the journal has no item {key!r}{hint}")


def _why_decided(entry: Entry) -> str:
    match entry.state:
        case State.CREATED:
            return f"it is created already, with id {entry.remote_id}: nothing is to be settled"
        case State.REFUSED:
            return f"it was refused ({entry.code}: {entry.message}): nothing is to be settled"
        case _:
            cure = "if it may exist all the same, run with verify_first (--verify-first)"
            return f"it is {entry.state}: the next run sends it without a word of yours; {cure}"


async def _check_id(settling: Settling, known: Known, given: str) -> None:
    if (other := await settling.owner(known, given)) is not None:
        raise JournalError(f"{given} is the id of {other!r} already: two orders have no common id")
    ids = await settling.ids(known, SAMPLE)
    if ids and all(map(is_guid, ids)) and not is_guid(given):
        raise ConfigurationError(f"{given!r} is not an id as this account's are, such as {ids[0]}: copy all of it")
