"""Look-up of every reference before it is sent, for a journal that cannot be trusted: lost, or of an older state.

Orders that a lost journal knew may be of any age. Therefore the whole list is read once in a run, without a filter,
before the first item is sent, by the scan that may declare absence and under its rules (:mod:`.absence`): fresh, to a
proven end, twice with equal results if it has several pages, as many rows as their count, and with the last order
before this run that the journal has as created. Its references go into a temporary database on the disk, and the
input's items are looked up there, a few hundred at a time: memory grows with neither, except for the ids that the scan
counts. 20,000 orders cost 41 requests, once (a scan for every few hundred items would cost as many each), some 13 µs
per row, and 9 µs per item. Before it reads, the run waits until the last order that any other process may have sent is
visible: ``patience`` seconds, and twice that where the journal knows no order that the list must show.

- An order that exists is not sent, and is in the journal from then on.
- An order that is absent is sent. Its novelty is proven for this run; the journal protects it from then on.
- An order that resembles another spelling may exist, and so may all orders if the list proves nothing. Such an order is
  written as sent at an unknown time, and looked for again at the end among all orders; without a proof it stays
  unknown, and unsent.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ...contract.operations import CREATE_INBOUND, CREATE_OUTBOUND
from ...disk.disk_index import stored, temporary_database
from ...errors import CallError
from ...journal import LOOK_UP_MOST
from ...resources.believing import IdVerifier
from .absence import AbsenceScan
from .controls import KnownOrders
from .freshness import Freshness
from .lookup_findings import RemoteMatch, RowCollector, why_not_shown
from .reconcile import utc_now
from .reference_matching import SHORTEST_CUT, Size, tidied
from .remote_lookup import learned, match_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from ...journal import Entry
    from ...session.seller_session import SellerSession
    from .controls import ControlOrder, Controls, EntryLookup
    from .id_owners import Owners
    from .lookup_findings import LookupFindings
    from .remote_lookup import OrderKind

KINDS: Mapping[str, OrderKind] = MappingProxyType({CREATE_OUTBOUND.name: "outbound", CREATE_INBOUND.name: "inbound"})
"""Kinds of orders that can be looked up before they are sent, by the operation that creates them."""
_SCHEMA = """
    CREATE TABLE shown (tidied BLOB NOT NULL, reference BLOB NOT NULL, id BLOB, code BLOB NOT NULL,
        message BLOB NOT NULL, refused INTEGER NOT NULL)"""
_ROWS = 1000
_MOST_NAMES = 500


class ListedReferences:
    """All references that a list shows, on the disk."""

    def __init__(self) -> None:
        self._database = temporary_database(_SCHEMA)
        self._waiting: list[tuple[object, ...]] = []
        self._largest = Size()
        self._longest = 0
        self.unreadable: int = 0
        """Number of rows whose reference cannot be read."""

    def add(self, reference: object, match: RemoteMatch) -> None:
        """Add a row."""
        if not isinstance(reference, str) or not (plain := tidied(reference)):
            self.unreadable += 1
            return
        self._largest = self._largest.joined(Size.of(reference))
        self._longest = max(self._longest, len(plain))
        identity = None if match.id is None else stored(match.id)
        texts = map(stored, (match.code, match.message))
        self._waiting.append((stored(plain), stored(reference), identity, *texts, match.refused))
        if len(self._waiting) >= _ROWS:
            self._write()

    def complete(self) -> None:
        """Build the index after all rows were added, before the first query."""
        self._write()
        self._database.execute("CREATE INDEX by_tidied ON shown (tidied)")

    def gathered(self, references: Collection[str]) -> RowCollector:
        """Return the rows that concern some references."""
        gathered = RowCollector(references, what="orders", largest=self._largest)
        names = list({stored(beginning) for key in references for beginning in self._beginnings(tidied(key))})
        for start in range(0, len(names), _MOST_NAMES):
            some = names[start : start + _MOST_NAMES]
            places = ", ".join("?" * len(some))
            sql = f"SELECT reference, id, code, message, refused FROM shown WHERE tidied IN ({places}) ORDER BY rowid"  # noqa: S608
            for reference, identity, code, message, refused in self._database.execute(sql, some):
                match = RemoteMatch(
                    None if identity is None else _text(identity), _text(code), _text(message), bool(refused)
                )
                gathered.add(_text(reference), match)
        return gathered

    def close(self) -> None:
        """Delete the database."""
        self._database.close()

    def _beginnings(self, plain: str) -> Iterator[str]:
        yield plain
        for length in range(SHORTEST_CUT, min(len(plain), self._longest + 1)):
            yield plain[:length]

    def _write(self) -> None:
        self._database.executemany("INSERT INTO shown VALUES (?, ?, ?, ?, ?, ?)", self._waiting)
        self._waiting.clear()


class Verification:
    """Look-up of a run's references in one reading of the list.

    The first caller reads it, the others wait.

    ``look_up`` reads the journal, ``controls`` returns the orders that the list must show, and ``owners`` the orders to
    which ids belong. ``passed`` is the number of seconds since another process can last have sent an order.
    """

    def __init__(
        self,
        scope: SellerSession,
        kind: OrderKind,
        *,
        patience: float,
        look_up: EntryLookup | None = None,
        controls: Controls | None = None,
        owners: Owners | None = None,
        passed: float = 0.0,
    ) -> None:
        self._scope = scope
        self._kind: OrderKind = kind
        self._look_up = look_up
        self._controls = controls
        self._owners = owners
        self._patience = patience
        self._known_ids = IdVerifier(scope, CREATE_OUTBOUND if kind == "outbound" else CREATE_INBOUND).given
        self._api_at = scope.session.api_clock
        self._begun = asyncio.get_running_loop().time() - passed
        self._lock = asyncio.Lock()
        self._stop_requested = asyncio.Event()
        self._shown: ListedReferences | None = None
        self._doubt = ""

    def request_stop(self) -> None:
        """End all waiting."""
        self._stop_requested.set()

    async def findings(self, keys: Sequence[str]) -> LookupFindings | None:
        """Return the orders under these references, and doubts about the others; ``None`` if the run is to end."""
        async with self._lock:
            if self._shown is None and not await self._read():
                return None
        assert self._shown is not None  # noqa: S101
        found = self._shown.gathered(keys).findings(self._doubt)
        if self._look_up is not None and found.alike:
            found = found.without(await _known(self._look_up, list(found.others())))
        return learned(self._known_ids, found) if self._owners is None else await self._owners.sift(found, keys)

    def close(self) -> None:
        """Delete the reading of the list."""
        if self._shown is not None:
            self._shown.close()

    async def _read(self) -> bool:
        """Read the list once all earlier orders must be visible; return True if the run continues."""
        before = await self._known_created()
        seconds = self._patience if before.controls and not before.ripe_in else 2 * self._patience
        left = max(before.ripe_in, self._begun + seconds - asyncio.get_running_loop().time())
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, left)):
                await self._stop_requested.wait()
        if self._stop_requested.is_set():
            return False
        known = await self._known_created()
        controls = before.controls if known.ripe_in else known.controls
        shown = ListedReferences()

        def take(row: Any) -> str | None:
            match = match_of(row)
            if match.id is None or match.id not in scan.ids:  # rows of an earlier reading are stored already
                shown.add(getattr(row, "reference", None), match)
            return match.id

        fresh = Freshness(self._scope, after=self._api_at)
        scan = AbsenceScan(fresh.scope, self._kind, since=None, take=take)
        try:
            doubt = why_not_shown(await scan.read() or fresh.doubt)
        except CallError as error:
            doubt = f"the list could not be read ({error})"
        except BaseException:
            shown.close()
            raise
        shown.complete()
        self._shown = shown
        doubt = doubt or _doubt_of(shown, controls, why_not_shown(scan.uncounted))
        self._doubt = f"it may have been sent before, and is not sent now: {doubt}" if doubt else ""
        return True

    async def _known_created(self) -> KnownOrders:
        """Return the last created order in the journal that is old enough that the list must show it, if any."""
        now = utc_now()
        return KnownOrders() if self._controls is None else await self._controls(now, now)


def _doubt_of(shown: ListedReferences, controls: Sequence[ControlOrder], uncounted: str) -> str:
    """Return the reason why a list that seems complete still proves nothing, or ""."""
    if shown.unreadable:
        return f"the list holds orders whose reference cannot be read ({shown.unreadable}), and each may be this one"
    references = [control.reference for control in controls]
    matches = shown.gathered(references).findings().matches
    if missing := next((reference for reference in references if reference not in matches), ""):
        return f"the list does not show {missing!r} either, which is known to exist"
    return "" if controls else uncounted


async def _known(look_up: EntryLookup, keys: list[str]) -> dict[str, Entry | None]:
    known: dict[str, Entry | None] = {}
    for start in range(0, len(keys), LOOK_UP_MOST):
        some = keys[start : start + LOOK_UP_MOST]
        known.update(zip(some, await look_up(some), strict=True))
    return known


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogatepass")
