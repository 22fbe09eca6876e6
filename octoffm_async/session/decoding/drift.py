"""The log of differences between responses and the contract: each operation, path and kind once."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...events import ContractDrift

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ...events import DriftKind

MOST = 1000
"""Differences that are remembered: an API chooses the names of its fields, so their number must be bounded."""
logger: logging.Logger = logging.getLogger("octoffm_async")


class DriftLog:
    """The differences seen so far. ``emit`` is called with each new one; a warning is logged for it as well."""

    def __init__(self, emit: Callable[[ContractDrift], None]) -> None:
        self.seen: dict[tuple[str, str, DriftKind], ContractDrift] = {}
        self._emit = emit

    def note(self, operation: str, drift: Mapping[tuple[str, DriftKind], str]) -> int:
        """Record the differences of one response; return how many are new."""
        new = 0
        for (path, kind), found in drift.items():
            key = (operation, path, kind)
            if key in self.seen or len(self.seen) >= MOST:
                continue
            new += 1
            event = self.seen[key] = ContractDrift(operation=operation, path=path, kind=kind, found=found)
            logger.warning("%s", sentence(event))
            self._emit(event)
            if len(self.seen) == MOST:
                logger.warning("more than %d differences from the contract: further ones are not reported", MOST)
        return new


def sentence(drift: ContractDrift) -> str:
    """Return a difference as one sentence."""
    match drift.kind:
        case "missing":
            what = f"lacks {drift.path}, which the contract expects (found: {drift.found}): it reads as None or empty"
        case "unknown":
            what = f"holds {drift.path} ({drift.found}), which the contract does not have: it stands in .extra"
        case "type":
            what = f"has {drift.path} in another form ({drift.found})"
        case "value":
            what = f"has a value in {drift.path} that the contract does not know: {drift.found}"
    return f"the answer of {drift.operation} {what}"
