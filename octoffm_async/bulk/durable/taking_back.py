"""Revocation of creations: an item whose response had an id that another order may have is looked up again.

Its outcome may have been delivered, so the item gets no other one: the journal is corrected, and the log names what
differs from the delivered outcome.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from ...journal import LOOK_UP_MOST
from ..reconciliation.gathering import not_shown
from ..reconciliation.id_owners import Owners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...journal import JournalRun
    from ...session.decoding.given_ids import KnownIds
    from ..reconciliation.gathering import RemoteMatch

logger: logging.Logger = logging.getLogger("octoffm_async")

WHY = "it was told as created with an id that may be another order's"


class CreationRevoker:
    """Revocation of a run's created items that the session suspects."""

    def __init__(self, book: JournalRun, given: KnownIds | None) -> None:
        self._book = book
        self._given = given
        self.owners: Owners | None = None if given is None else Owners(book, given)
        self.told: dict[str, str] = {}
        """Ids that were delivered and are revoked, by key."""

    async def learn(self) -> None:
        """Give the session an example of the ids in this journal."""
        if self._given is not None and not self._given.forms.example:
            for key, remote_id in (await self._book.ids()).items():
                self._given.know(key, remote_id)

    async def revoke(self) -> bool:
        """Reset to unknown the created items that the session suspects; return True if there was any.

        The call costs nothing if there is none.
        """
        given = self._given
        if given is None or not given.changes or given.seen.get(self._book) == given.changes:
            return False
        changes, before = given.changes, len(self.told)
        suspects = iter(given.suspects.items())
        while some := dict(islice(suspects, LOOK_UP_MOST)):
            for key in await self._book.reset_to_unknown(some, WHY):
                given.clear(key)
                self.told[key] = some[key]
        given.seen[self._book] = changes
        if len(self.told) > before:
            logger.warning("%d orders that were told as created are looked up again", len(self.told) - before)
        return len(self.told) > before

    def doubt_of_absence(self, told: str | None) -> str:
        """Return the reason why an order that a look-up does not show may exist, if its response had the id ``told``.

        The response said that it exists. The order is absent only if the API has shown that response to be another
        order's.
        """
        if told is None or (self._given is not None and self._given.is_shown(told)):
            return ""
        return not_shown(f"it was answered as created, with the id {told!r}, which may be another order's")

    def compare(self, key: str, matches: Sequence[RemoteMatch]) -> None:
        """Log a difference between the found order and the delivered outcome."""
        told = self.told.pop(key, None)
        if told is None or any(match.id == told and not match.refused for match in matches):
            return
        if matches:
            logger.warning("%r was told as created with the id %r; it has the id %r", key, told, matches[0].id)
        else:
            logger.error(
                "%r was told as created with the id %r, and does not exist: run again with the same input to send it",
                *(key, told),
            )
