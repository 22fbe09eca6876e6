"""The ids that one account gave for one kind of creation: which of a new answer is not to be believed.

- An id that was given to another reference is nobody's: a cache or a proxy may have replayed an answer, or the answers
  on a connection are shifted. The last ``REMEMBERED`` are known, and up to twice as many. To know all, a journal would
  need an index by id, which takes 11 µs an order (measured in SQLite). So a cache that replays one answer of long ago,
  once, is not noticed; one that goes on with it is, from the second time on.
- An id of another form than the account gives is odd, see :mod:`.forms`.
- What came over a connection that is out of step, see :mod:`.trail`.

Whoever was told one of those ids before is *suspected*: it may have another one, or none.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from .forms import Forms, is_guid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .trail import Trail

logger = logging.getLogger("octoffm_async")

REMEMBERED = 20_000
"""Ids, some 200 bytes each."""
SUSPECTED_MOST = 10_000
_WARNINGS_MOST = 20
_OUT_OF_STEP = "answers came out of step over its connection"


class Doubt(NamedTuple):
    """Why an id is not believed; ``odd``: only for its form, so that it may be shown to be right."""

    reason: str
    odd: bool = False


class Given:
    """The ids of one seller's creations of one kind, in one session."""

    def __init__(self, what: str = "orders") -> None:
        self.forms = Forms()
        self.changes = 0
        """How often a reference came to be suspected."""
        self.seen: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        """How many of those each journal has seen to."""
        self._what = what
        self._recent: dict[str, str] = {}
        self._older: Mapping[str, str] = {}
        self._suspects: dict[str, str] = {}
        self._from_before: set[str] = set()
        """Ids of earlier runs. Their orders are settled: an old one may not even be listed any more."""
        self._shown: deque[str] = deque(maxlen=SUSPECTED_MOST)
        """Ids that the API itself has shown, each with its order."""
        self._warnings = 0

    @property
    def suspects(self) -> dict[str, str]:
        """References that were told ids which may be those of others."""
        return dict(self._suspects)

    def told(self) -> dict[str, str]:
        """Return the references that are remembered, each with the id that it was given last."""
        return {reference: remote_id for ids in (self._older, self._recent) for remote_id, reference in ids.items()}

    def take(self, reference: str, remote_id: str, trail: Trail | None) -> Doubt | None:
        """Believe the id that an answer gives; if not, return why."""
        # The way of every order: four look-ups and, for a GUID, one slice. What is rare has methods of its own.
        recent = self._recent
        if remote_id in self._older or recent.setdefault(remote_id, reference) is not reference:
            return self._met_again(reference, remote_id, trail)
        forms = self.forms
        if not (forms.guids and remote_id[8:24:5] == "----" and len(remote_id) == 36) and not forms.usual(remote_id):
            if not forms.fits(remote_id):
                del recent[remote_id]
                why = f"its id {remote_id!r} is of another form than those before it, such as {forms.example!r}"
                return Doubt(why, odd=True)
            forms.add(remote_id)
        if trail is not None:
            if trail.doubted or trail.last == remote_id:
                del recent[remote_id]
                return _out_of_step(remote_id, trail)
            if trail.believer is not self:
                trail.believe(self)
            trail.last = remote_id
            trail.told.append(remote_id)
        if len(recent) >= REMEMBERED:
            self._older, self._recent = recent, {}
        return None

    def know(self, reference: str, remote_id: str, *, proven: bool = False) -> None:
        """Take in an id of an earlier run; one that the API itself has shown with this reference is ``proven``."""
        forms = self.forms
        is_usual = (forms.guids and is_guid(remote_id)) or forms.usual(remote_id)
        if not is_usual and (proven or forms.fits(remote_id)):
            forms.add(remote_id, proven=proven)
        self._recent[remote_id] = reference
        if len(self._recent) >= REMEMBERED:
            self._older, self._recent = self._recent, {}
        if not proven:
            self._from_before.add(remote_id)
        else:
            self._shown.append(remote_id)
            self._suspects.pop(reference, None)

    def suspect(self, reference: str, remote_id: str) -> None:
        """The id that this reference was told may be another one's: whoever has a journal is to look it up."""
        if len(self._suspects) < SUSPECTED_MOST:
            self._suspects[reference] = remote_id
            self.changes += 1

    def holder(self, remote_id: str) -> str | None:
        """Return the reference that was given this id last, if that is known."""
        return self._recent.get(remote_id) or self._older.get(remote_id)

    def is_shown(self, remote_id: str) -> bool:
        """Return True if the API has shown which order has this id."""
        return remote_id in self._shown

    def suspect_all(self, remote_ids: Iterable[str]) -> None:
        """See :class:`~.trail.Believer`."""
        for remote_id in remote_ids:
            if reference := self._recent.get(remote_id) or self._older.get(remote_id):
                self.suspect(reference, remote_id)

    def clear(self, reference: str) -> None:
        """Somebody looks this one up."""
        self._suspects.pop(reference, None)

    def _met_again(self, reference: str, remote_id: str, trail: Trail | None) -> Doubt | None:
        holder = self._older.get(remote_id) or self._recent[remote_id]
        if holder == reference:  # an API may answer the same order asked for again with what it answered before
            return None
        if remote_id not in self._from_before:
            self.suspect(holder, remote_id)
        others = 0
        if trail is not None:
            others = len(trail.told)
            trail.doubt(_OUT_OF_STEP)
            trail.drop()
        self._warnings += 1
        if self._warnings <= _WARNINGS_MOST:
            logger.warning(
                "two %s were told the id %r, %r and %r: with a journal both are looked up, and %d more that the same "
                "connection answered; without one, look up what was told as created",
                *(self._what, remote_id, holder, reference, others),
            )
        return Doubt(f"its answer gives the id {remote_id!r}, which {holder!r} was told before")


def _out_of_step(remote_id: str, trail: Trail) -> Doubt:
    if not trail.doubted:  # the last answer again, for an order of another kind or seller
        trail.doubt(_OUT_OF_STEP)
        trail.drop()
    return Doubt(f"its id {remote_id!r} is not believed: {trail.doubted}")
