"""What a single creation needs of a journal. The journal itself is with the bulk runs, above this package."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from ..bulk.journal import Journal  # for type checkers only: at run time imports go one way
    from ..contract.operations import Operation
    from ..session.scope import Scope


class Protect(Protocol):
    """Makes a creation through a journal; its id."""

    async def __call__(
        self, scope: Scope, operation: Operation[str], request: Any, *, journal: Journal, patience: float
    ) -> str: ...
