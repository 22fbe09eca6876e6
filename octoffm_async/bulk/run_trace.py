"""Start and end of a bulk run, as tracing hooks get them."""

from __future__ import annotations

import contextvars
import itertools
from typing import TYPE_CHECKING

import msgspec

from ..events import RunFinished, RunStarted

if TYPE_CHECKING:
    from ..session.seller_session import SellerSession
    from .outcomes import Summary

_NUMBERS = itertools.count(1)
_COUNTS = frozenset({"created", "refused", "failed", "unknown", "skipped", "found", "missing", "total"})


class RunTrace:
    """One run of an operation for a seller; its number is unique in the process."""

    def __init__(self, scope: SellerSession, operation: str) -> None:
        self._events = scope.session.events
        self._seller_id = scope.seller_id
        self._operation = operation
        self._number = next(_NUMBERS)

    def start(self) -> contextvars.Context | None:
        """Tell that the run starts; return the context for its tasks, None where nobody listens."""
        if not self._events.tracers:
            return None
        context = contextvars.copy_context()
        event = RunStarted(run=self._number, operation=self._operation, seller_id=self._seller_id)
        context.run(self._events.trace, event)
        return context

    def finish(self, summary: Summary, error: Exception | None) -> None:
        """Tell that the run ended."""
        if not self._events.tracers:
            return
        counts = {name: value for name, value in msgspec.structs.asdict(summary).items() if name in _COUNTS}
        self._events.trace(
            RunFinished(
                run=self._number,
                operation=self._operation,
                seller_id=self._seller_id,
                outcomes=counts,
                error="" if error is None else type(error).__name__,
            )
        )
