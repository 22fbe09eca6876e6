"""Reconciliation: what became of sendings whose answer is not known, found out on the remote side.

An item that was found exists. One that was not found may still become visible (a replica lags, a request was slow), so
it is looked for again until ``patience`` seconds have passed since it was sent; only then it counts as absent, and may
be sent again. All items that are open at a time share each scan.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from .finding import Finder, Match

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 15.0
GLANCE = 0.25
"""Seconds after which a pause notices that the run was stopped."""

logger = logging.getLogger("octoffm_async")


async def reconcile(
    finder: Finder, sent_at: Mapping[str, datetime], *, patience: float, stopped: Callable[[], bool] = lambda: False
) -> AsyncIterator[tuple[str, list[Match]]]:
    """Decide each key: its matches, or an empty list once it is sure to be absent.

    ``sent_at`` tells when each key was sent, by our clock. Two matches of one key are two real things: that is told in
    the log as an error. Once ``stopped``, it ends without waiting, and leaves undecided what is.

    Raises:
        CallError: the remote side could not be read.
    """
    open_keys = dict(sent_at)
    pause = min(FIRST_PAUSE, patience)
    while open_keys:
        began = time.time()
        found = await finder.find(open_keys.keys(), since=min(open_keys.values()))
        for key in list(open_keys):
            matches = found.get(key, [])
            if len(matches) > 1:
                ids = ", ".join(str(match.id) for match in matches)
                logger.error("DUPLICATE: reference %r exists %d times remotely: %s", key, len(matches), ids)
            if matches or began - open_keys[key].timestamp() >= patience:
                del open_keys[key]
                yield key, matches
        if open_keys:
            ripe = max(at.timestamp() for at in open_keys.values()) + patience - time.time()
            await _pause(min(max(ripe, 0.01), pause), stopped)
            if stopped():
                return
            pause = min(LONGEST_PAUSE, pause * 2)


async def _pause(seconds: float, stopped: Callable[[], bool]) -> None:
    while seconds > 0 and not stopped():
        await asyncio.sleep(min(seconds, GLANCE))
        seconds -= GLANCE


def utc_now() -> datetime:
    """Now, by our clock."""
    return datetime.now(UTC)
