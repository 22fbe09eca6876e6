"""Revocation of creations: an item whose response had an id that another order may have is looked up again.

Its outcome may have been delivered, so the item gets no other one: the journal is corrected, and the log names what
differs from the delivered outcome.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from ...journal import LOOK_UP_MOST
from ..reconciliation.id_owners import Owners
from ..reconciliation.lookup_findings import not_shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...journal import JournalRun
    from ...session.decoding.known_ids import KnownIds
    from ..reconciliation.lookup_findings import RemoteMatch

logger: logging.Logger = logging.getLogger("octoffm_async")

WHY = "its response had an id that may be another order's"


class CreationRevoker:
    """Revocation of a run's created items that the session suspects."""

    def __init__(self, journal_run: JournalRun, known_ids: KnownIds | None) -> None:
        self._journal_run = journal_run
        self._known_ids = known_ids
        self.owners: Owners | None = None if known_ids is None else Owners(journal_run, known_ids)
        self.revoked_ids: dict[str, str] = {}
        """Ids that were delivered and are revoked, by key."""

    async def learn(self) -> None:
        """Give the session an example of the ids in this journal."""
        if self._known_ids is not None and not self._known_ids.forms.example:
            for key, remote_id in (await self._journal_run.ids()).items():
                self._known_ids.know(key, remote_id)

    async def revoke(self) -> bool:
        """Reset to unknown the created items that the session suspects; return True if there was any.

        The call costs nothing if there is none.
        """
        known_ids = self._known_ids
        if known_ids is None or not known_ids.changes or known_ids.seen.get(self._journal_run) == known_ids.changes:
            return False
        changes, before = known_ids.changes, len(self.revoked_ids)
        suspects = iter(known_ids.suspects.items())
        while some := dict(islice(suspects, LOOK_UP_MOST)):
            for key in await self._journal_run.reset_to_unknown(some, WHY):
                known_ids.clear(key)
                self.revoked_ids[key] = some[key]
        known_ids.seen[self._journal_run] = changes
        if len(self.revoked_ids) > before:
            logger.warning(
                "%d orders that were reported as created are looked up again", len(self.revoked_ids) - before
            )
        return len(self.revoked_ids) > before

    def doubt_of_absence(self, delivered_id: str | None) -> str:
        """Return the reason why an order that a look-up does not show may exist: its response had ``delivered_id``.

        The response said that it exists. The order is absent only if the API has shown that response to be another
        order's.
        """
        if delivered_id is None or (self._known_ids is not None and self._known_ids.is_shown(delivered_id)):
            return ""
        return not_shown(
            f"its response said that it was created, with the id {delivered_id!r}, which may be another order's"
        )

    def compare(self, key: str, matches: Sequence[RemoteMatch]) -> None:
        """Log a difference between the found order and the delivered outcome."""
        delivered_id = self.revoked_ids.pop(key, None)
        if delivered_id is None or any(match.id == delivered_id and not match.refused for match in matches):
            return
        if matches:
            logger.warning(
                "%r was reported as created with the id %r; it has the id %r", key, delivered_id, matches[0].id
            )
        else:
            logger.error(
                "%r was reported as created with the id %r, and does not exist: run the same input again to send it",
                *(key, delivered_id),
            )
