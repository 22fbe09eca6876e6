"""What was told as created, with an id that another order may have: the journal takes it back, and it is looked up.

Its outcome may have been delivered, so it gets no other: the journal is put right, and the log tells what is not as it
was told.
"""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from .gathering import not_shown
from .journal import LOOK_UP_MOST
from .owning import Owners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..session.given import Given
    from .gathering import Match
    from .journal import Book

logger = logging.getLogger("octoffm_async")

WHY = "it was told as created with an id that may be another order's"


class TakingBack:
    """Takes back what one run's journal knows of the session's suspects."""

    def __init__(self, book: Book, given: Given | None) -> None:
        self._book = book
        self._given = given
        self.owners = None if given is None else Owners(book, given)
        self.told: dict[str, str] = {}
        """The ids that were told and are taken back, by key."""

    async def learn(self) -> None:
        """Let the session know how ids look that this journal knows."""
        if self._given is not None and not self._given.forms.example:
            for key, remote_id in (await self._book.ids()).items():
                self._given.know(key, remote_id)

    async def take_back(self) -> bool:
        """Make unknown what the session suspects and this journal has as created; return True if that was any.

        It costs nothing if there is nothing.
        """
        given = self._given
        if given is None or not given.changes or given.seen.get(self._book) == given.changes:
            return False
        changes, before = given.changes, len(self.told)
        suspects = iter(given.suspects.items())
        while some := dict(islice(suspects, LOOK_UP_MOST)):
            for key in await self._book.doubt(some, WHY):
                given.clear(key)
                self.told[key] = some[key]
        given.seen[self._book] = changes
        if len(self.told) > before:
            logger.warning("%d orders that were told as created are looked up again", len(self.told) - before)
        return len(self.told) > before

    def doubt_of_absence(self, told: str | None) -> str:
        """Why an order that a look does not show is not absent, if it was told as created with the id ``told``.

        An answer said that it exists. It is absent only if the API has shown that answer to be another order's.
        """
        if told is None or (self._given is not None and self._given.is_shown(told)):
            return ""
        return not_shown(f"it was answered as created, with the id {told!r}, which may be another order's")

    def compare(self, key: str, matches: Sequence[Match]) -> None:
        """Tell if what is found is not what was told."""
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
