"""The ids that one account gave for one kind of creation: they decide whether the id in a new response is believed.

- An id that was given for another reference belongs to neither: a cache or a proxy may have replayed a response, or the
  responses on a connection are shifted. The last ``REMEMBERED`` are known, and up to twice as many. To know all, a
  journal would need an index by id, which takes 11 µs an order (measured in SQLite). So a cache that replays one
  response of long ago, once, is not noticed; one that does it again is, from the second time on.
- An id of another form than the account gives is odd, see :mod:`...contract.answers.id_forms`.
- An id from a connection that is out of step is not believed, see :mod:`...transport.connection_history`.

Each earlier reference that got such an id is *suspected*: its order may have another id, or not exist.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

from ...contract.answers.id_forms import Forms, is_guid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ...transport.connection_history import ConnectionHistory

logger: logging.Logger = logging.getLogger("octoffm_async")

REMEMBERED = 20_000
"""Ids that are remembered, some 200 bytes each."""
SUSPECTED_MOST = 10_000
_WARNINGS_MOST = 20
_OUT_OF_STEP = "answers came out of step over its connection"


class Doubt(NamedTuple):
    """The reason for which an id is not believed; ``odd``: only for its form, so that it may still prove right."""

    reason: str
    odd: bool = False


class KnownIds:
    """The ids of one seller's creations of one kind, in one session."""

    def __init__(self, what: str = "orders") -> None:
        self.forms: Forms = Forms()
        self.changes: int = 0
        """The number of times that a reference was suspected."""
        self.seen: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        """The value of ``changes`` up to which each journal has handled the suspected references."""
        self._what = what
        self._recent: dict[str, str] = {}
        self._older: Mapping[str, str] = {}
        self._suspects: dict[str, str] = {}
        self._from_before: set[str] = set()
        """Ids of earlier runs. Their orders are settled: the API may not even list an old one any more."""
        self._shown: deque[str] = deque(maxlen=SUSPECTED_MOST)
        """Ids that the API itself has shown, each with its order."""
        self._warnings = 0

    @property
    def suspects(self) -> dict[str, str]:
        """References that got ids which may belong to other references."""
        return dict(self._suspects)

    def last_ids(self) -> dict[str, str]:
        """Return the remembered references, each with the last id that it got."""
        return {reference: remote_id for ids in (self._older, self._recent) for remote_id, reference in ids.items()}

    def take(self, reference: str, remote_id: str, history: ConnectionHistory | None) -> Doubt | None:
        """Believe the id in a response; if not, return the reason."""
        # The path of every order: four look-ups and, for a GUID, one slice. Rare cases have methods of their own.
        recent = self._recent
        if remote_id in self._older or recent.setdefault(remote_id, reference) is not reference:
            return self._seen_before(reference, remote_id, history)
        forms = self.forms
        if not (forms.guids and remote_id[8:24:5] == "----" and len(remote_id) == 36) and not forms.usual(remote_id):
            if not forms.fits(remote_id):
                del recent[remote_id]
                why = f"its id {remote_id!r} is of another form than those before it, such as {forms.example!r}"
                return Doubt(why, odd=True)
            forms.add(remote_id)
        if history is not None:
            if history.doubt_reason or history.last == remote_id:
                del recent[remote_id]
                return _out_of_step(remote_id, history)
            if history.observer is not self:
                history.add_observer(self)
            history.last = remote_id
            history.recent_ids.append(remote_id)
        if len(recent) >= REMEMBERED:
            self._older, self._recent = recent, {}
        return None

    def know(self, reference: str, remote_id: str, *, proven: bool = False) -> None:
        """Add an id of an earlier run; one that the API itself has shown with this reference is ``proven``."""
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
        """Suspect the id that this reference got, as it may belong to another; a journal is to look the order up."""
        if len(self._suspects) < SUSPECTED_MOST:
            self._suspects[reference] = remote_id
            self.changes += 1

    def holder(self, remote_id: str) -> str | None:
        """Return the reference that got this id last, if it is known."""
        return self._recent.get(remote_id) or self._older.get(remote_id)

    def is_shown(self, remote_id: str) -> bool:
        """Return True if the API has shown the order that has this id."""
        return remote_id in self._shown

    def suspect_all(self, remote_ids: Iterable[str]) -> None:
        """Suspect the references that got these ids; see :class:`~...transport.connection_history.IdObserver`."""
        for remote_id in remote_ids:
            if reference := self._recent.get(remote_id) or self._older.get(remote_id):
                self.suspect(reference, remote_id)

    def clear(self, reference: str) -> None:
        """Stop suspecting a reference: its order is being looked up."""
        self._suspects.pop(reference, None)

    def _seen_before(self, reference: str, remote_id: str, history: ConnectionHistory | None) -> Doubt | None:
        holder = self._older.get(remote_id) or self._recent[remote_id]
        if holder == reference:  # an API may answer a repeated request for the same order with the same id
            return None
        if remote_id not in self._from_before:
            self.suspect(holder, remote_id)
        others = 0
        if history is not None:
            others = len(history.recent_ids)
            history.doubt(_OUT_OF_STEP)
            history.drop()
        self._warnings += 1
        if self._warnings <= _WARNINGS_MOST:
            logger.warning(
                "two %s got the id %r: %r and %r; with a journal both are looked up, and %d more that the same "
                "connection answered; without one, look up the orders that were reported as created",
                *(self._what, remote_id, holder, reference, others),
            )
        return Doubt(f"its response gives the id {remote_id!r}, which {holder!r} got before")


def _out_of_step(remote_id: str, history: ConnectionHistory) -> Doubt:
    if not history.doubt_reason:  # the last response again, for an order of another kind or seller
        history.doubt(_OUT_OF_STEP)
        history.drop()
    return Doubt(f"its id {remote_id!r} is not believed: {history.doubt_reason}")
