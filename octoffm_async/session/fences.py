"""What may stop a request at the last moment: right before its bytes leave."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Fence"]


class Fence(Protocol):
    """Says whether this process may still send. Asked without any waiting between the answer and the sending."""

    def check(self) -> None:
        """Let a request pass.

        Raises:
            FencedError: it may not leave.
        """
        ...
