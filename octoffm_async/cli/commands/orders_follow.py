"""``octoffm orders follow``: wait for a shipping order, and print each status that it takes."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from ...contract.answers.progress import OrderProgress, progress_of
from ...contract.outbound import OutboundShipment, OutboundStatus
from ...errors import DeadlineExceededError, StatusUnreachableError
from ...text import printable
from ..errors import ExitCode
from ..filters import OpenEnumParam
from ..options import note
from ..output import as_fields, cell, print_json_line, refusal_text
from ..remote import remote_command
from .orders_find import find_order_id, order_options

if TYPE_CHECKING:
    from ..remote import Remote
    from .orders_find import OrderSelector

FLOW = tuple(status for status in OutboundStatus if OutboundStatus.SHIPPED.reached(status))
_LONG = 3600.0


@click.command(short_help="Follow a shipping order to a status.")
@order_options
@click.option(
    "--until", type=OpenEnumParam(OutboundStatus), default="Shipped", show_default=True, help="Wait for this status."
)
@click.option(
    "--for",
    "patience",
    type=click.FloatRange(0, min_open=True),
    default=_LONG,
    show_default=True,
    metavar="S",
    help="Seconds to wait at most.",
)
@remote_command
async def follow(remote: Remote, selector: OrderSelector, until: str, patience: float) -> int:
    """Follow a shipping order until it reaches a status, and print each status on the way.

    Exits with 0 if it reached the status, 1 if it ended in another one, 3 if it is still on its way when the time is
    over.
    """
    order = await find_order_id(remote, selector)
    clock = asyncio.get_running_loop().time
    ends = clock() + patience
    row = await remote.client.outbound.get(order)
    _print_order(remote, row)
    while progress_of(row, OutboundStatus(until)) is not OrderProgress.REACHED:
        try:
            row = await remote.client.outbound.wait_for(
                order, _next(row.status, until), deadline=max(ends - clock(), 0.001)
            )
        except StatusUnreachableError as error:
            if isinstance(error.row, OutboundShipment) and error.row.status != row.status:
                _print_order(remote, error.row)
            raise
        except DeadlineExceededError as error:
            if error.operation != "outbound.wait_for":
                raise
            note(f"{error.message}; to see it later: octoffm orders show {order}")
            return ExitCode.UNDECIDED
        _print_order(remote, row)
    return ExitCode.DONE


def _next(status: OutboundStatus | None, until: str) -> str:
    """Return the status after this one, if both are on the usual way; otherwise the wanted status itself."""
    if status not in FLOW or until not in FLOW:
        return until
    return FLOW[FLOW.index(status) + 1]


def _print_order(remote: Remote, row: OutboundShipment) -> None:
    if remote.as_json:
        print_json_line(as_fields(row))
    else:
        fields = (cell(row.status_updated_at), row.status, refusal_text(row.refusal))
        parcels = [f"{parcel.carrier} {parcel.tracking_number}" for parcel in row.parcels if parcel.tracking_number]
        click.echo("  ".join(printable(str(part)) for part in (*fields, *parcels) if part))
    sys.stdout.flush()
