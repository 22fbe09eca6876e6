"""The state of the sandbox: the rows of each seller, the scheduled events, and counters of created rows."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from heapq import heapify, heappop, heappush
from itertools import count
from random import Random
from typing import Any, Literal, NamedTuple, get_args

from octoffm_async.contract.common import Document
from octoffm_async.contract.inbound import InboundShipment
from octoffm_async.contract.outbound import OutboundCancellation, OutboundShipment
from octoffm_async.contract.products import SellerReference
from octoffm_async.contract.returns import Return
from octoffm_async.contract.stocks import Stock

from ..settings import STORAGE_COUNTRIES, IdForm, Inspection, Reception, Timeline
from .clock import Clock
from .table import RowTable

_FIRST_NUMBER = 100_000

ScheduledEvent = Callable[[datetime], None]
"""A scheduled event: the world calls it with the time at which it was due."""
EffectKind = Literal["products", "inbound", "outbound", "cancellations", "returns"]


class Effects:
    """Counters of created rows by reference. A reference that was never used counts 0."""

    def __init__(self) -> None:
        self.products: Counter[str] = Counter()
        self.inbound: Counter[str] = Counter()
        self.outbound: Counter[str] = Counter()
        self.cancellations: Counter[str] = Counter()
        """By the id of the outbound shipment."""
        self.returns: Counter[str] = Counter()
        """By the id of the outbound shipment."""

    def as_dict(self) -> dict[EffectKind, dict[str, int]]:
        """Return the counters by kind and reference."""
        return {kind: dict(getattr(self, kind)) for kind in get_args(EffectKind)}


class AllEffects(Effects):
    """The effects of all sellers together, and of each seller through :meth:`of`."""

    def __init__(self, sellers: Iterable[str]) -> None:
        super().__init__()
        self._by_seller = {seller: Effects() for seller in sellers}

    def add(self, seller: str, kind: EffectKind, key: str, count: int = 1) -> None:
        """Count ``count`` more creations, for the seller and for all sellers together."""
        for effects in (self, self._by_seller[seller]):
            getattr(effects, kind)[key] += count

    def add_seller(self, seller: str) -> None:
        """Add counters for one more seller."""
        self._by_seller.setdefault(seller, Effects())

    def of(self, seller: str) -> Effects:
        """Return the effects of one seller. Raises ``LookupError`` for an unknown seller."""
        if seller not in self._by_seller:
            raise LookupError(f"seller = {seller!r}: the sandbox has {', '.join(self._by_seller)}")
        return self._by_seller[seller]


class SellerAccount:
    """The rows of one seller. No other seller ever sees them."""

    def __init__(self, seller: str) -> None:
        self.seller = seller
        self.references: RowTable[SellerReference] = RowTable[SellerReference]()
        self.stocks: RowTable[Stock] = RowTable[Stock]()
        self.shipments: RowTable[OutboundShipment] = RowTable[OutboundShipment]()
        self.cancellations: RowTable[OutboundCancellation] = RowTable[OutboundCancellation]()
        self.returns: RowTable[Return] = RowTable[Return]()
        self.inbound: RowTable[InboundShipment] = RowTable[InboundShipment]()
        self.countries: set[str] = set[str](STORAGE_COUNTRIES)
        self.documents: dict[str, Document] = dict[str, Document]()
        # A seller has one reference per product and condition; both keys find it.
        self.reference_of_pair: dict[tuple[str, str], str] = {}
        self.reference_of_product: dict[str, str] = {}
        # By the id of the shipment: the last request to cancel it, and its returns.
        self.cancellation_of_shipment: dict[str, str] = {}
        self.returns_of_shipment: dict[str, list[str]] = {}
        self.shipments_of_reference: dict[str, list[str]] = {}
        # Returns with an arrived parcel, by id, in their form after the inspection.
        self.received: dict[str, Return] = {}

    def tables(self) -> dict[str, RowTable[Any]]:
        """Return all tables by the names of their attributes."""
        return {name: held for name, held in vars(self).items() if isinstance(held, RowTable)}


class _Event(NamedTuple):
    due: datetime
    number: int  # breaks ties in the order of scheduling
    happen: ScheduledEvent


class World:
    """The state behind the server.

    Nothing runs in the background: due events run, in order, at each request and at each jump of the clock, and their
    changes have the time at which they were due.
    """

    def __init__(
        self,
        *,
        sellers: Iterable[str],
        clock: Clock,
        timeline: Timeline,
        rng: Random,
        inspection: Inspection | None = None,
        reception: Reception | None = None,
        ids: IdForm = "text",
    ) -> None:
        self.accounts: dict[str, SellerAccount] = {seller: SellerAccount(seller) for seller in sellers}
        if not self.accounts:
            raise ValueError("sellers = (): the sandbox needs at least one seller")
        self.clock = clock
        self.timeline = timeline
        self.inspection: Inspection = inspection or Inspection()
        self.reception: Reception = reception or Reception()
        self.effects: AllEffects = AllEffects(self.accounts)
        self._rng = rng
        self._ids: IdForm = ids
        self._last_number: int | None = None
        self._events: list[_Event] = []
        self._numbers = count()
        clock.on_advance(self.run_due_events)

    @property
    def first_seller(self) -> str:
        """The default seller."""
        return next(iter(self.accounts))

    def account(self, seller: str | None) -> SellerAccount:
        """Return the account of a seller (``None``: the first). Raises ``LookupError`` for an unknown seller."""
        name = self.first_seller if seller is None else seller
        if name not in self.accounts:
            raise LookupError(f"seller = {name!r}: the sandbox has {', '.join(self.accounts)}")
        return self.accounts[name]

    def get_or_create_account(self, seller: str) -> SellerAccount:
        """Return the account of a seller; create it if there is none."""
        self.effects.add_seller(seller)
        return self.accounts.setdefault(seller, SellerAccount(seller))

    def new_id(self) -> str:
        """Return a new id, a UUID or a number, that depends on the seed and on the earlier creations only."""
        if self._ids == "integer":
            self._last_number = 1 + (self._largest_number() if self._last_number is None else self._last_number)
            return str(self._last_number)
        digits = f"{self._rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"

    def _largest_number(self) -> int:
        """Return the largest numeric id, so that a loaded world continues after its loaded ids."""
        keys = (
            key
            for account in self.accounts.values()
            for table in account.tables().values()
            if table is not account.references  # its keys are the seller's references
            for key in table.keys()  # noqa: SIM118  (no dictionary)
        )
        return max((int(key) for key in keys if key.isascii() and key.isdecimal()), default=_FIRST_NUMBER)

    def schedule(self, due: datetime, happen: ScheduledEvent) -> None:
        """Schedule a call of ``happen(due)`` for when the clock has reached ``due``."""
        heappush(self._events, _Event(due, next(self._numbers), happen))

    def pending(self) -> list[tuple[datetime, ScheduledEvent]]:
        """Return the scheduled events in the order in which they will run."""
        return [(event.due, event.happen) for event in sorted(self._events)]

    def run_now(self, chosen: Callable[[ScheduledEvent], bool]) -> list[ScheduledEvent]:
        """Run the chosen scheduled events now, and the chosen events that these schedule; return the events that ran.

        Their changes have the current time, not the later one at which they were due.
        """
        moment = self.run_due_events()
        done: list[ScheduledEvent] = []
        while early := [event for event in self._events if chosen(event.happen)]:
            self._events = [event for event in self._events if not chosen(event.happen)]
            heapify(self._events)
            for event in sorted(early):
                event.happen(moment)
            done += (event.happen for event in early)
        return done

    def run_due_events(self) -> datetime:
        """Run all events that are due by now; return the current time."""
        now = self.clock.now()
        while self._events and self._events[0].due <= now:
            event = heappop(self._events)
            event.happen(event.due)
        return now
