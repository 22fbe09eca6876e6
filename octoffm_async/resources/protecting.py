"""Protocol of a creation through a journal. The function itself belongs to the bulk runs, above this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..contract.operations import Operation
    from ..journal import Journal
    from ..session.seller_session import SellerSession


class CreateThroughJournal(Protocol):
    """Protocol of a function that makes a creation through a journal, and returns its id."""

    async def __call__(
        self,
        scope: SellerSession,
        operation: Operation[str],
        request: Any,
        *,
        journal: Journal,
        patience: float,
        verify_first: bool,
    ) -> str: ...
