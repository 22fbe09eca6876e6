"""Manual settlement of an undecided item: a person declares that it does not exist, or which id it has.

The scan that declares absence cannot always prove it. A person who has looked in Octopia's own pages knows, and records
the decision here. The journal believes it only where it can be true: for an undecided item that no run is working on,
with an id that is plausible and that no other item has. All rules are in this module; each journal supplies the reads
and writes (:class:`ManualSettlement`).
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..contract.answers.id_forms import is_guid, is_identifier
from ..errors import ConfigurationError, JournalError
from .base import Known
from .key_claims import key_claims_of
from .states import UNDECIDED, Entry, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .base import Journal

__all__ = ["Known", "ManualDecision", "ManualSettlement", "choose", "manual_decision", "settle_by_hand"]

NEAR_MOST = 10_000
"""Number of undecided keys that are compared with an unknown key to suggest the nearest."""
SAMPLE = 20
"""Number of ids of the same operation with which a given id is compared."""


class ManualDecision(NamedTuple):
    """A person's decision on items: all are absent, or one item was ``created`` with this id."""

    keys: tuple[str, ...]
    created: str | None
    seller: str | None
    operation: str | None
    note: str

    @property
    def state(self) -> State:
        """The new state of the items."""
        return State.PENDING if self.created is None else State.CREATED

    @property
    def message(self) -> str:
        """The message that the journal keeps with the items."""
        what = "absent" if self.created is None else "created"
        return f"settled by hand: {what}{f' ({self.note})' if self.note else ''}"


class ManualSettlement(Protocol):
    """Reads and writes that a journal supplies for manual settlement."""

    async def find(self, keys: Sequence[str]) -> list[Known]:
        """Return the items with these keys, of any seller and operation."""
        ...

    async def near(self, most: int) -> list[str]:
        """Return keys of undecided items."""
        ...

    async def ids(self, known: Known, most: int) -> list[str]:
        """Return some of the ids that the item's operation created for its seller."""
        ...

    async def owner(self, known: Known, remote_id: str) -> str | None:
        """Return the key to which the item's operation gave this id."""
        ...

    async def write(self, items: Sequence[Known], word: ManualDecision) -> list[str]:
        """Write the decision durably; or write nothing, and return the keys that another process is working on."""
        ...


def manual_decision(
    keys: str | Sequence[str],
    *,
    absent: bool,
    created: str | None,
    seller: str | None,
    operation: str | None,
    note: str,
) -> ManualDecision:
    """Build a decision, after checking that it says exactly one thing.

    Raises:
        ConfigurationError: it says nothing, or both, or names no item or an impossible id.
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
    return ManualDecision(named, created, seller, operation, note)


async def choose(settling: ManualSettlement, word: ManualDecision) -> list[Known]:
    """Return the items that are meant, after checking that each can be settled in this way.

    Raises:
        ConfigurationError: one is not in the journal, or is ambiguous.
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


async def settle_by_hand(journal: Journal, settling: ManualSettlement, word: ManualDecision) -> list[Known]:
    """Settle items, all or none; return the items as they were before.

    Raises:
        ConfigurationError, JournalError: as for :func:`choose`, or an item is in use; nothing was changed.
    """
    chosen = await choose(settling, word)
    held = [(key_claims_of(journal, one.seller, one.operation), one.entry.key) for one in chosen]
    busy = [key for claims, key in held if not claims.take([key], word)]
    try:
        if not busy:
            chosen = await choose(settling, word)  # again, now that no other run of this process can decide them
            busy = await settling.write(chosen, word)
    finally:
        for claims, key in held:
            claims.release([key], word)
    if busy:
        raise JournalError(f"a run is working on {busy[0]!r} right now: wait until it ends; nothing was changed")
    return chosen


async def _chosen(settling: ManualSettlement, key: str, found: list[Known], word: ManualDecision) -> Known:
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
    hint = f"; the nearest that is undecided is {near[0]!r}" if near else "; no undecided item has a similar key"
    raise ConfigurationError(f"the journal has no item {key!r}{hint}")


def _why_decided(entry: Entry) -> str:
    match entry.state:
        case State.CREATED:
            return f"it is created already, with id {entry.remote_id}: nothing is to be settled"
        case State.REFUSED:
            return f"it was refused ({entry.code}: {entry.message}): nothing is to be settled"
        case _:
            cure = "if it may exist all the same, run with verify_first (--verify-first)"
            return f"it is {entry.state}: the next run sends it in any case; {cure}"


async def _check_id(settling: ManualSettlement, known: Known, given: str) -> None:
    if (other := await settling.owner(known, given)) is not None:
        raise JournalError(f"{given} is the id of {other!r} already: two orders cannot have the same id")
    ids = await settling.ids(known, SAMPLE)
    if ids and all(map(is_guid, ids)) and not is_guid(given):
        raise ConfigurationError(f"{given!r} does not look like this account's ids, as {ids[0]}: copy the whole id")
