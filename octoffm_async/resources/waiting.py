"""Waiting until a shipment has reached a status, by reading it again and again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..config import is_above_zero
from ..contract.checks import FieldProblem
from ..errors import DeadlineExceededError, StatusUnreachableError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..contract.base import OpenEnum
    from ..contract.common import Refusal

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between two looks: they start short and grow by half, so that a day of waiting costs no rate."""


class Status(Protocol):
    """A status of a life cycle."""

    @property
    def final(self) -> bool: ...
    def reached(self, wanted: str) -> bool: ...


class Row(Protocol):
    """Something with a status."""

    @property
    def status(self) -> Any: ...


RowT = TypeVar("RowT", bound=Row)


async def wait_for_status(
    read: Callable[[], Awaitable[RowT]], *, what: str, key: str, status: OpenEnum, deadline: float
) -> RowT:
    """Call ``read`` until what it gives has reached ``status``.

    Raises:
        ValidationError: there is no such status, or the deadline is none.
        StatusUnreachableError: it ended in another status.
        DeadlineExceededError: it has not got there within ``deadline`` seconds.
    """
    _check(what, key, status, deadline)
    ends = asyncio.get_running_loop().time() + deadline
    pause = FIRST_PAUSE
    while True:
        row = await read()
        now: Status | None = row.status
        if now is not None and now.reached(status):
            return row
        if now is not None and now.final:
            raise _unreachable(what, key, status, row)
        left = ends - asyncio.get_running_loop().time()
        if left <= 0:
            late = DeadlineExceededError(f"{what} {key!r} is {now} and not yet {status} after {deadline:g} s")
            late.operation = f"{what}.wait_for"
            raise late
        await asyncio.sleep(min(pause, left))
        pause = min(LONGEST_PAUSE, pause * 1.5)


def _unreachable(what: str, key: str, wanted: str, row: Row) -> StatusUnreachableError:
    refusal: Refusal | None = getattr(row, "refusal", None)
    why = "" if refusal is None else f" ({refusal.code}: {refusal.message})"
    message = f"{what} {key!r} will not become {wanted}: it is {row.status}{why}"
    return StatusUnreachableError(message, wanted=wanted, status=row.status, row=row)


def _check(what: str, key: str, status: OpenEnum, deadline: float) -> None:
    problems: list[FieldProblem] = []
    if not status.known:
        problems.append(FieldProblem("status", str(status), f"is not one of {', '.join(type(status))}"))
    if not is_above_zero(deadline):
        problems.append(FieldProblem("deadline", deadline, "is not a number of seconds above zero"))
    if problems:
        raise ValidationError(f"{what}.wait_for", str(key), problems)
