"""A seller's view of the session: what resources and bulk runs call through."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from ..contract.filters import filter_problems
from ..errors import ValidationError
from .headers import path_segment
from .paging import Pager

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..contract.filters import Filters
    from ..contract.operations import Operation
    from .pipeline import Result, Session

T = TypeVar("T")
_ENCODER = msgspec.json.Encoder()


class Scope:
    """One seller on a session, with the deadline (seconds) that its calls get; ``None`` for the configuration's."""

    __slots__ = ("deadline", "seller_id", "session")

    def __init__(self, session: Session, seller_id: str, deadline: float | None = None) -> None:
        self.session = session
        self.seller_id = seller_id
        self.deadline = deadline

    async def call(
        self,
        operation: Operation[T],
        *,
        path: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> Result[T]:
        """Make one call; ``path`` fills the segments of the operation's path, ``body`` is encoded as JSON."""
        return await self.session.call(
            operation,
            seller_id=self.seller_id,
            path=None if path is None else _filled(operation.path, path),
            query=query,
            body=None if body is None else _ENCODER.encode(body),
            deadline=self.deadline,
        )

    def list(self, operation: Operation[list[T]], filters: Filters) -> Pager[T]:
        """A list call.

        Raises:
            ValidationError: the filters cannot be asked for together, or are out of range.
        """
        if problems := filter_problems(filters):
            raise ValidationError("list", problems=problems)
        return Pager(self, operation, _query(filters))


def _filled(template: str, segments: Mapping[str, str]) -> str:
    path = template
    for name, value in segments.items():
        path = path.replace(f"{{{name}}}", path_segment(name, value))
    return path


def _query(filters: Filters) -> dict[str, str]:
    return {name: str(value) for name, value in msgspec.to_builtins(filters).items()}
