"""The content of the live page: totals and the latest events, of bounded size and cost."""

from collections import Counter
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from octoffm_async.contract.base import OpenEnum
from octoffm_async.contract.inbound import InboundShipment, InboundStatus
from octoffm_async.contract.outbound import CancellationStatus, OutboundCancellation, OutboundShipment, OutboundStatus
from octoffm_async.contract.returns import Return, ReturnStatus
from octoffm_async.contract.stocks import Quantities, QuantityType, Stock

from ..state import SandboxState
from .totals import TableTotals

MAX_CHANGES_PER_READ = 10_000
"""Most changes that one call of ``read`` counts; with more, the totals are complete after a few calls."""
_RECENT = 50
_LATEST = 10
_TEXT = 60  # longest text of a client that the page shows, in characters


class _Kind(NamedTuple):
    """A type of rows with totals: its name, the names of the totals, and the contribution of one row to each total."""

    name: str
    totals: tuple[str, ...]
    measure: Callable[[Any], Mapping[str, int]]


def _by_status(row: Any) -> Mapping[str, int]:
    return {str(row.status): 1}


def _statuses(name: str, statuses: type[OpenEnum]) -> _Kind:
    return _Kind(name, tuple(member.value for member in statuses), _by_status)


_QUANTITIES = dict(zip(Quantities.__struct_fields__, (member.value for member in QuantityType), strict=True))


def _by_type(stock: Stock) -> Mapping[str, int]:
    quantities = stock.quantities
    return {name: getattr(quantities, field) for field, name in _QUANTITIES.items()}


_KINDS: Mapping[type, _Kind] = {
    OutboundShipment: _statuses("outbound", OutboundStatus),
    InboundShipment: _statuses("inbound", InboundStatus),
    Return: _statuses("returns", ReturnStatus),
    OutboundCancellation: _statuses("cancellations", CancellationStatus),
    Stock: _Kind("stock", tuple(_QUANTITIES.values()), _by_type),
}


class LiveTotals:
    """Running totals of a sandbox for the live page, over all sellers; rows hidden from readers count too."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state
        self._tallies: dict[tuple[str, str], tuple[_Kind, TableTotals]] = {}

    def read(self, now: float) -> dict[str, Any]:
        """Return the state of the sandbox at the monotonic time ``now``, ready for JSON."""
        state = self._state
        moment = state.world.run_due_events()
        totals, behind = self._totals()
        return {
            "now": moment,
            "speed": state.world.clock.speed,
            "totals": totals,
            "behind": behind,
            "products": sum(len(account.references.all_rows()) for account in state.world.accounts.values()),
            "latest": self._latest(),
            "pace": state.requests.pace.last(now),
            "requests": state.requests.total,
            "throttled": state.requests.count(status=429),
            "recent": self._recent(now),
            "tokens": {
                "issued": len(state.tokens.issued),
                "refused": state.tokens.refused,
                "living": state.tokens.living(),
            },
            "faults": state.faults.as_dict(),
            "limits": state.limits.as_dict(),
        }

    def _totals(self) -> tuple[dict[str, dict[str, int]], int]:
        self._find_tables()
        left = MAX_CHANGES_PER_READ
        counted = {kind.name: Counter(dict.fromkeys(kind.totals, 0)) for kind in _KINDS.values()}
        for kind, tally in self._tallies.values():
            left -= tally.update(left)
            counted[kind.name].update(tally.totals)
        behind = sum(tally.uncounted for _, tally in self._tallies.values())
        return {name: dict(totals) for name, totals in counted.items()}, behind

    def _find_tables(self) -> None:
        for account in self._state.world.accounts.values():
            for name, table in account.tables().items():
                kind = _KINDS.get(table.row_type)
                if kind is not None and (account.seller, name) not in self._tallies:
                    self._tallies[account.seller, name] = kind, TableTotals(table, kind.measure)

    def _latest(self) -> list[dict[str, Any]]:
        """Return the latest shipments of the first sellers, newest first."""
        found: list[OutboundShipment] = []
        for account in islice(self._state.world.accounts.values(), _LATEST):
            shipments = account.shipments
            found += [row for key in shipments.newest_keys(_LATEST) if (row := shipments.get(key)) is not None]
        found.sort(key=lambda row: row.created_at or self._state.world.clock.now(), reverse=True)
        return [
            {
                "reference": _cut(row.reference or ""),
                "status": row.status,
                "at": row.created_at,
                "refusal": None if row.refusal is None else row.refusal.code,
            }
            for row in found[:_LATEST]
        ]

    def _recent(self, now: float) -> list[dict[str, Any]]:
        """Return the latest answered requests, newest first."""
        return [
            {
                "ago": round(max(0.0, now - arrival.at), 3),
                "seller": _cut(arrival.seller),
                "operation": arrival.operation,
                "status": arrival.status,
            }
            for arrival in islice(reversed(self._state.requests.arrivals), _RECENT)
        ]


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else text[: _TEXT - 1] + "…"
