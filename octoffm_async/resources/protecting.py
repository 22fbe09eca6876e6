"""Protocol of a creation through a journal, and a guard against creations without protection.

The function of the protocol belongs to the bulk runs, above this package.
"""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Generator

    from ..contract.operation import Operation
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


_IN_EACH: ContextVar[bool] = ContextVar("octoffm_in_each", default=False)


@contextmanager
def in_each() -> Generator[None]:
    """Refuse creations without a journal in this context: it is a call of ``bulk.each``."""
    token = _IN_EACH.set(True)
    try:
        yield
    finally:
        _IN_EACH.reset(token)


def check_protected(run: str) -> None:
    """Reject an unprotected creation inside ``bulk.each``; ``run`` is the method of ``client.bulk`` for it.

    Raises:
        ConfigurationError: The call comes from ``bulk.each``; nothing was sent.
    """
    if _IN_EACH.get():
        raise ConfigurationError(f"bulk.each creates no orders and products: use bulk.{run}(items)")
