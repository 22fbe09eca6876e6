"""A subject of the benchmarks whose measurement never ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from typing import Any


class Endless:
    """See :class:`~benchmarks.child.Subject`."""

    async def open(self) -> None:
        """See Subject."""

    async def measure(self, order: Mapping[str, Any]) -> dict[str, float]:
        try:
            await asyncio.Event().wait()
        finally:
            print("tidied up", file=sys.stderr, flush=True)
        return {}

    async def close(self) -> None:
        """See Subject."""
