"""Fences: checks that may stop a request at the last moment, right before its bytes are written."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Fence"]


class Fence(Protocol):
    """A check whether this process may still create. There is no await between the check and the writing."""

    def check(self) -> None:
        """Let a request pass.

        Raises:
            FencedError: The request must not be sent.
        """
        ...

    async def recovers(self) -> bool:
        """Wait, if the right to send is lost for a moment only; return True if requests may pass again."""
        ...
