"""Verification of the ids in answers to creations: an id in doubt is accepted only if the API shows the order under it.

An answer may belong to another request (a cache, a proxy, a connection out of step), or hold no id at all. An id of an
unusual form is looked up; an id that another reference was given, or that came over such a connection, is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..contract.inbound import CREATE_INBOUND, GET_INBOUND
from ..contract.outbound import CREATE_OUTBOUND, GET_OUTBOUND
from ..errors import CallError, UnusableAnswerError, ValidationError, mark_unknown
from ..session.decoding.known_ids import KnownIds

if TYPE_CHECKING:
    from ..contract.operation import Operation
    from ..session.decoding.known_ids import Doubt
    from ..session.seller_session import SellerSession
    from ..session.session import Result

_GETS: dict[str, tuple[Operation[Any], str]] = {
    CREATE_OUTBOUND.name: (GET_OUTBOUND, "outboundShipmentId"),
    CREATE_INBOUND.name: (GET_INBOUND, "inboundShipmentId"),
}
_TRIES_MOST = 20
"""Maximum of look-ups of unusual ids in a row, of one seller and kind, that find no order."""


def known_ids_of(scope: SellerSession, operation: Operation[str]) -> KnownIds:
    """Return the session's record of the ids of one seller's orders of one kind."""
    kept: dict[tuple[str, str], KnownIds] = scope.session.seller_cache
    name = (operation.name, scope.seller_id)
    return kept.get(name) or kept.setdefault(name, KnownIds())


class IdVerifier:
    """The verification of the ids of one seller's orders of one kind. The session shares the record of known ids."""

    def __init__(self, scope: SellerSession, operation: Operation[str]) -> None:
        self._scope = scope
        self._operation = operation
        self._tries = 0
        self._asked: set[str] = set()

    @property
    def given(self) -> KnownIds:
        """The session's record of their ids."""
        return known_ids_of(self._scope, self._operation)

    async def verified_id(self, reference: str, answer: Result[str]) -> str:
        """Return the id that an answer gives, after a look-up if it is in doubt.

        Raises:
            UnusableAnswerError: the id is not believed, so the outcome is unknown.
        """
        found, response = answer
        doubt = self.given.take(reference, found, response.history)
        return found if doubt is None else await self.resolve_doubt(reference, answer, doubt)

    async def resolve_doubt(self, reference: str, answer: Result[str], doubt: Doubt) -> str:
        """Return the id of an answer that is in doubt, if the API shows the order under it.

        Raises:
            UnusableAnswerError: the id is not believed, so the outcome is unknown.
        """
        found, response = answer
        try:
            if doubt.odd and await self.look_up(reference, found):
                return found
        except BaseException as error:
            mark_unknown(error)
            raise
        unproven = UnusableAnswerError(f"the answer for {reference!r} is not believed: {doubt.reason}")
        unproven.status, unproven.outcome_unknown = response.status, True
        unproven.operation, unproven.seller_id = self._operation.name, self._scope.seller_id
        raise unproven

    async def look_up(self, reference: str, found: str) -> bool:
        """Return True if the API shows an order with this id and this very reference; its form counts as usual then."""
        if self._tries >= _TRIES_MOST:
            return False
        self._tries += 1
        operation, name = _GETS[self._operation.name]
        try:
            order, _ = await self._scope.call(operation, path={name: found})
        except (CallError, ValidationError):
            return False
        if getattr(order, "reference", None) != reference:
            return False
        self._tries = 0
        self.given.know(reference, found, proven=True)
        return True

    def look_up_in_background(self, reference: str, found: str) -> None:
        """Start a look-up of an unusual id in the background, so that later ids of its form are accepted."""
        if not self._asked:
            self._asked.add(found)
            work = self._prove(reference, found)
            self._scope.session.background.start(work, name="octoffm_async odd id")

    async def _prove(self, reference: str, found: str) -> None:
        try:
            await self.look_up(reference, found)
        finally:
            self._asked.discard(found)
