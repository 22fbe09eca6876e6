"""Start and end of a bulk run, as tracing hooks get them."""

from __future__ import annotations

import contextvars
import itertools
from typing import TYPE_CHECKING

from ..events import RunFinished, RunStarted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .seller_session import SellerSession

_NUMBERS = itertools.count(1)


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

    def finish(self, counts: Mapping[str, int], error: Exception | None) -> None:
        """Tell that the run ended, with its counts of outcomes."""
        if not self._events.tracers:
            return
        self._events.trace(
            RunFinished(
                run=self._number,
                operation=self._operation,
                seller_id=self._seller_id,
                outcomes=dict(counts),
                error="" if error is None else type(error).__name__,
            )
        )
