"""Protocols of the journal of a single creation. The journal itself belongs to the bulk runs, above this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from ..contract.operations import Operation
    from ..session.seller_session import SellerSession


class OpenJournal(Protocol):
    """Protocol of an open journal; :meth:`octoffm_async.Journal.open` makes one."""

    opened_at: datetime | None

    async def begin_run(self, *, seller: str, operation: str, run: str | None = None, source: str = "") -> Any:
        """Begin a run."""
        ...


class CreateThroughJournal(Protocol):
    """Protocol of a function that makes a creation through a journal, and returns its id."""

    async def __call__(
        self,
        scope: SellerSession,
        operation: Operation[str],
        request: Any,
        *,
        journal: OpenJournal,
        patience: float,
        verify_first: bool,
    ) -> str: ...
