"""Creation of orders by the thousand: one call per order, and never the same order twice automatically."""

from __future__ import annotations

import logging
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from msgspec import Raw

from ..contract.operations import CREATE_INBOUND, CREATE_OUTBOUND, CREATE_PRODUCTS
from ..contract.requests.fingerprints import fingerprints
from ..contract.requests.validation import plain_order
from ..errors import CallError, ConfigurationError
from ..resources.believing import IdVerifier
from ..resources.inbound import check_supply_order, send_supply_order
from ..resources.outbound import check_shipment, send_shipment
from ..text import printable
from .durable.settings import outcome_of_match
from .job import RUN_ENDING, Job
from .odd_references import OddReferences
from .outcomes import Created, Skipped, Unknown, outcome_of
from .products import CreateProducts
from .reconciliation.remote_lookup import OrderLookup, ProductLookup

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ..session.decoding.known_ids import Doubt, KnownIds
    from ..session.seller_session import SellerSession
    from ..session.session import Result
    from ..transport.connection_history import ConnectionHistory
    from .job import Deliver
    from .outcomes import Outcome
    from .reconciliation.lookup_findings import RemoteMatch
    from .reconciliation.remote_lookup import RemoteLookup
    from .reconciliation.verification import Verification

logger: logging.Logger = logging.getLogger("octoffm_async")

LOOK_AHEAD = 256
"""Number of items that are looked up together."""

HELD_MOST = 10_000
"""Maximum number of orders with an odd id that wait for the end of a run; further ones are unknown."""


class HasReference(Protocol):
    """An item with a business reference, by which it can be looked up after a lost response."""

    @property
    def reference(self) -> str: ...


OrderT = TypeVar("OrderT", bound=HasReference)


class _Held(NamedTuple):
    id: str
    history: ConnectionHistory | None
    reason: str


class CreateOrders(Job[OrderT]):
    """The job of ``client.bulk.create_outbound`` and ``create_inbound``.

    ``plain`` returns the JSON of an item of the usual form, which needs no ``check`` and is not encoded again.

    With ``alone`` there is no journal, and nothing else looks up unknown orders: orders whose id has an odd form are
    read by that id at the end of the run. ``verify`` makes the look-up of each order before it is sent; a job with a
    journal does that itself.
    """

    one_by_one = True

    def __init__(
        self,
        *,
        send: Callable[[Any], Awaitable[Result[str]]],
        check: Callable[[OrderT], None],
        id_verifier: IdVerifier,
        plain: Callable[[OrderT], bytes | None] | None = None,
        alone: bool = False,
        verify: Callable[[], Verification] | None = None,
    ) -> None:
        self.key: Callable[[OrderT], str] = attrgetter("reference")
        self._check = check
        self._plain = plain
        self._send = send
        self._checked: tuple[OrderT | None, bytes | None] = None, None
        """The item that was checked last, and its JSON: without screening it is sent right behind its check."""
        self.takes_encoded = plain is not None
        self._id_verifier = id_verifier
        self._alone = alone
        self._take: Callable[[str, str, ConnectionHistory | None], Doubt | None]
        self._held: dict[str, _Held] = {}
        self._verify = verify
        self._verification: Verification | None = None
        if verify is not None:
            self.look_ahead = LOOK_AHEAD

    def check(self, item: OrderT) -> bytes | None:
        encoded = None if self._plain is None else self._plain(item)
        if encoded is None:
            self._check(item)
        self._checked = item, encoded
        if self.odd is not None:
            self.odd.look(item.reference)
        return encoded

    def send(self, item: OrderT | Raw) -> Awaitable[Result[str]]:
        checked, encoded = self._checked
        return self._send(item if encoded is None or item is not checked else Raw(encoded))

    def fingerprints(self, items: Sequence[OrderT]) -> list[bytes]:
        return fingerprints(items)

    async def start(self) -> None:
        self.given: KnownIds | None = self._id_verifier.given
        self._take = self.given.take

    async def screen(self, items: list[OrderT], prints: dict[str, bytes | None]) -> tuple[list[OrderT], list[Outcome]]:  # noqa: ARG002
        if self._verify is None:
            return items, []
        self._verification = self._verification or self._verify()
        if self.stop_requested:
            self._verification.request_stop()
        if (found := await self._verification.findings(self.keys(items))) is None:
            return [], [not_looked_up(item.reference) for item in items]
        absent: list[OrderT] = []
        outcomes: list[Outcome] = []
        for item in items:
            key = item.reference
            if matches := found.matches.get(key):
                outcomes.append(exists_already(key, matches))
            elif doubt := found.doubt_of(key):
                outcomes.append(Unknown(key=key, reason=doubt))
            else:
                absent.append(item)
        return absent, outcomes

    def request_stop(self) -> None:
        super().request_stop()
        if self._verification is not None:
            self._verification.request_stop()

    async def close(self) -> None:
        if self._verification is not None:
            self._verification.close()

    def outcome(self, item: OrderT, answer: Result[str]) -> Outcome | None:
        reference = item.reference
        found, response = answer
        if (doubt := self._take(reference, found, response.history)) is None:
            return Created(key=reference, id=found)
        return self._doubted(reference, found, response.history, doubt)

    def outcome_of_error(self, item: OrderT, error: BaseException) -> Outcome:
        if not isinstance(error, CallError) or isinstance(error, RUN_ENDING):
            raise error
        return outcome_of(item.reference, error)

    async def finish(self, deliver: Deliver) -> None:
        """Read orders with an odd id, unless other orders have meanwhile shown that such ids are right."""
        while self._held and not self.stop_requested:
            reference, held = next(iter(self._held.items()))
            doubt = self._id_verifier.given.take(reference, held.id, held.history)
            right = doubt is None or (doubt.odd and await self._id_verifier.look_up(reference, held.id))
            del self._held[reference]
            await deliver(Created(key=reference, id=held.id) if right else Unknown(key=reference, reason=held.reason))

    def undecided(self) -> list[Outcome]:
        return [Unknown(key=reference, reason=held.reason) for reference, held in self._held.items()]

    def _doubted(self, reference: str, found: str, history: ConnectionHistory | None, doubt: Doubt) -> Outcome | None:
        if doubt.odd:
            self._id_verifier.look_up_in_background(reference, found)
            if self._alone and len(self._held) < HELD_MOST:
                self._held[reference] = _Held(found, history, doubt.reason)
                return None
        return Unknown(key=reference, reason=doubt.reason)


def exists_already(key: str, matches: Sequence[RemoteMatch]) -> Skipped:
    """Return the outcome of an order that was found before it was sent."""
    if len(matches) > 1:
        ids = ", ".join(printable(str(match.id)) for match in matches)
        logger.error("DUPLICATE: reference %r exists %d times remotely: %s", key, len(matches), ids)
    earlier = outcome_of_match(key, matches[0])
    return Skipped(key=key, reason="it exists already: found before it was sent", earlier=earlier)


def not_looked_up(key: str) -> Skipped:
    """Return the outcome of an order whose run ended before it was looked up."""
    return Skipped(key=key, reason="the run was stopped before it was looked up")


_WORDS = {
    CREATE_PRODUCTS.name: ("product", "seller_product_reference"),
    CREATE_OUTBOUND.name: ("shipment", "reference"),
    CREATE_INBOUND.name: ("supply order", "reference"),
}
"""Words for an item and the field of its reference, by operation."""


def job_of(
    operation: str, scope: SellerSession, *, alone: bool = False, verify: Callable[[], Verification] | None = None
) -> tuple[Job[Any], RemoteLookup]:
    """Return the job and the remote look-up of a creation, by the operation's name.

    ``alone`` is set where no journal surrounds the job. ``verify`` makes the look-up of orders before they are sent.

    Raises:
        ConfigurationError: no creation has this name.
    """
    job, lookup = _job_of(operation, scope, alone=alone, verify=verify)
    what, field = _WORDS[operation]
    job.odd = OddReferences(what, field, strict=bool(scope.options.strict_references))
    return job, lookup


def _job_of(
    operation: str, scope: SellerSession, *, alone: bool, verify: Callable[[], Verification] | None
) -> tuple[Job[Any], RemoteLookup]:
    match operation:
        case CREATE_PRODUCTS.name:
            return CreateProducts(scope), ProductLookup(scope)
        case CREATE_OUTBOUND.name:
            orders = CreateOrders(
                send=partial(send_shipment, scope),
                check=partial(_check, scope, check_shipment),
                id_verifier=IdVerifier(scope, CREATE_OUTBOUND),
                plain=plain_order,
                alone=alone,
                verify=verify,
            )
            return orders, OrderLookup(scope, "outbound")
        case CREATE_INBOUND.name:
            supplies = CreateOrders(
                send=partial(send_supply_order, scope),
                check=partial(_check, scope, check_supply_order),
                id_verifier=IdVerifier(scope, CREATE_INBOUND),
                alone=alone,
                verify=verify,
            )
            return supplies, OrderLookup(scope, "inbound")
        case _:
            raise ConfigurationError(f"{operation!r} is not the name of a creation")


def _check(scope: SellerSession, check: Callable[[Any], None], item: Any) -> None:
    check(item)
    scope.check_extra("order", item)
