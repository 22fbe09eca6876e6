"""Polling of a shipment until it has reached a status."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, TypeVar

from ..contract.answers.progress import (
    MAX_QUOTED_LENGTH,
    HasStatus,
    OrderProgress,
    progress_of,
    quoted_status,
    refusal_reasons,
)
from ..contract.requests.checks import FieldProblem
from ..errors import CallError, DeadlineExceededError, StatusUnreachableError, ValidationError
from ..settings.values import is_above_zero

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ..contract.base import OpenEnum

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""The longest polling interval in seconds. Intervals grow by half, so that a day of polling costs few calls."""
LAST_LOOK = 1.0
"""Seconds that a poll has at least, also at the deadline."""


logger: logging.Logger = logging.getLogger("octoffm_async")

RowT = TypeVar("RowT", bound=HasStatus)


async def wait_for_status(
    read: Callable[[], Awaitable[RowT]],
    *,
    what: str,
    key: str,
    statuses: type[OpenEnum],
    status: str,
    deadline: float,
) -> RowT:
    """Call ``read`` until its row has reached ``status``, and return the row.

    A missing or unknown status is logged once as a warning, and polling continues, for the status may change. It never
    counts as reached.

    Raises:
        ValidationError: the status does not exist, or the deadline is not a number of seconds above zero.
        StatusUnreachableError: the shipment ended in another status.
        DeadlineExceededError: the shipment did not reach the status within ``deadline`` seconds.
    """
    _check(what, key, statuses, status, deadline)
    target = statuses(status).meaning
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
            raise _late(what, key, target, seen, deadline) from None
        seen = str(row.status)[:MAX_QUOTED_LENGTH]
        match progress_of(row, target):
            case OrderProgress.REACHED:
                return row
            case OrderProgress.REFUSED | OrderProgress.CANCELLED | OrderProgress.ENDED:
                raise _unreachable(what, key, target, row)
            case OrderProgress.UNCLEAR if not warned:
                warned = True
                logger.warning(
                    "%s %r has %s, which is unintelligible: waiting for %s",
                    what,
                    key,
                    quoted_status(row.status),
                    target,
                )
            case _:
                pass
        left = ends - clock()
        if left <= 0:
            raise _late(what, key, target, seen, deadline)
        await asyncio.sleep(min(pause, left))
        pause = min(LONGEST_PAUSE, pause * 1.5)


def _late(what: str, key: str, target: str, seen: str, deadline: float) -> DeadlineExceededError:
    late = DeadlineExceededError(f"{what} {key!r} is {seen} and not yet {target} after {deadline:g} s")
    late.operation = f"{what}.wait_for"
    return late


def _unreachable(what: str, key: str, target: str, row: HasStatus) -> StatusUnreachableError:
    reasons = refusal_reasons(row)
    why = f" ({': '.join(reasons)})" if reasons else ""
    message = f"{what} {key!r} will not become {target}: it is {row.status}{why}"
    return StatusUnreachableError(message, wanted=target, status=row.status, row=row)


def _check(what: str, key: str, statuses: type[OpenEnum], status: object, deadline: object) -> None:
    problems: list[FieldProblem] = []
    if not isinstance(status, str) or not statuses(status).meaning.known:
        problems.append(FieldProblem("status", status, f"is not one of {', '.join(statuses)}"))
    if not is_above_zero(deadline):
        problems.append(FieldProblem("deadline", deadline, "is not a number of seconds above zero"))
    if problems:
        raise ValidationError(f"{what}.wait_for", str(key), problems)
