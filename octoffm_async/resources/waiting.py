"""Waiting until a shipment has reached a status, by reading it again and again."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from ..config import is_above_zero
from ..contract.checks import FieldProblem
from ..contract.progress import LONGEST_TOLD, Row, Stand, reasons_of, stand_of, told_status
from ..errors import CallError, DeadlineExceededError, StatusUnreachableError, ValidationError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..contract.base import OpenEnum

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds between two looks: they start short and grow by half, so that a day of waiting costs no rate."""
LAST_LOOK = 1.0
"""Seconds that a look has even when the deadline is here."""


logger = logging.getLogger("octoffm_async")

RowT = TypeVar("RowT", bound=Row)


async def wait_for_status(
    read: Callable[[], Awaitable[RowT]],
    *,
    what: str,
    key: str,
    statuses: type[OpenEnum],
    status: str,
    deadline: float,
) -> RowT:
    """Call ``read`` until what it gives has reached ``status``.

    A status that is missing or not known is told once, as a warning, and waited through: it may pass. It is never
    taken for one that was reached.

    Raises:
        ValidationError: there is no such status, or the deadline is none.
        StatusUnreachableError: it ended in another status.
        DeadlineExceededError: it has not got there within ``deadline`` seconds.
    """
    _check(what, key, statuses, status, deadline)
    wanted = statuses(status).meaning
    clock = asyncio.get_running_loop().time
    ends = clock() + deadline
    pause, seen, warned = FIRST_PAUSE, "not seen", False
    while True:
        try:
            async with asyncio.timeout(max(ends - clock(), LAST_LOOK)):
                row = await read()
        except CallError:
            raise
        except TimeoutError:
            raise _late(what, key, wanted, seen, deadline) from None
        seen = str(row.status)[:LONGEST_TOLD]
        match stand_of(row, wanted):
            case Stand.REACHED:
                return row
            case Stand.REFUSED | Stand.CANCELLED | Stand.ENDED:
                raise _unreachable(what, key, wanted, row)
            case Stand.UNCLEAR if not warned:
                warned = True
                logger.warning(
                    "%s %r has %s, which tells nothing here: waited for %s", what, key, told_status(row.status), wanted
                )
            case _:
                pass
        left = ends - clock()
        if left <= 0:
            raise _late(what, key, wanted, seen, deadline)
        await asyncio.sleep(min(pause, left))
        pause = min(LONGEST_PAUSE, pause * 1.5)


def _late(what: str, key: str, wanted: str, seen: str, deadline: float) -> DeadlineExceededError:
    late = DeadlineExceededError(f"{what} {key!r} is {seen} and not yet {wanted} after {deadline:g} s")
    late.operation = f"{what}.wait_for"
    return late


def _unreachable(what: str, key: str, wanted: str, row: Row) -> StatusUnreachableError:
    told = reasons_of(row)
    why = f" ({': '.join(told)})" if told else ""
    message = f"{what} {key!r} will not become {wanted}: it is {row.status}{why}"
    return StatusUnreachableError(message, wanted=wanted, status=row.status, row=row)


def _check(what: str, key: str, statuses: type[OpenEnum], status: object, deadline: object) -> None:
    problems: list[FieldProblem] = []
    if not isinstance(status, str) or not statuses(status).meaning.known:
        problems.append(FieldProblem("status", status, f"is not one of {', '.join(statuses)}"))
    if not is_above_zero(deadline):
        problems.append(FieldProblem("deadline", deadline, "is not a number of seconds above zero"))
    if problems:
        raise ValidationError(f"{what}.wait_for", str(key), problems)
