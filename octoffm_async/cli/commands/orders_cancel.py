"""``octoffm orders cancel``: request the cancellation of a shipping order, and wait for the decision."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from ...contract.contract_file.translation import Translation
from ...contract.operations import REQUEST_CANCELLATION
from ...contract.outbound import CancellationStatus, OutboundCancellation, OutboundCancellationRequest
from ...contract.requests.validation import cancellation_problems
from ...errors import NotFoundError, ValidationError
from ..documents import dry_run_option, print_request
from ..errors import ExitCode
from ..files.extra_members import check_against_contract, extra_option
from ..options import note
from ..output import print_item
from ..remote import remote_command
from .orders_find import find_order_id, order_options

if TYPE_CHECKING:
    from ..remote import Remote
    from .orders_find import OrderSelector

PAUSE = 1.0
"""Seconds between two reads of a request that is not decided."""


@click.command()
@order_options
@click.option("--reason", metavar="TEXT", help="The reason, for the warehouse.")
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=30.0,
    show_default=True,
    metavar="S",
    help="Seconds to wait for the warehouse's decision.",
)
@extra_option(OutboundCancellationRequest)
@dry_run_option
@remote_command
async def cancel(
    remote: Remote,
    selector: OrderSelector,
    *,
    reason: str | None,
    extra: dict[str, Any] | None,
    wait: float,
    dry_run: bool,
) -> int:
    """Request the cancellation of a shipping order. It is possible only before the order is Shipped.

    The request has an outcome of its own. Exits with 0 if it was accepted, 1 if it was refused or came too late, 3 if
    it is not decided yet.
    """
    check_against_contract(Translation(remote.config.contract_file), OutboundCancellationRequest, extra or ())
    order = await find_order_id(remote, selector)
    if dry_run:
        body = OutboundCancellationRequest(outbound_shipment_id=order, reason=reason, extra=extra)
        if problems := cancellation_problems(body):
            raise ValidationError("cancellation", order, problems)
        return print_request(remote, REQUEST_CANCELLATION, body)
    request_id = await remote.client.outbound.request_cancellation(order, reason=reason, extra=extra)
    decided = await _decision(remote, request_id, wait)
    facts: dict[str, object] = {"order": order, "request": request_id, "status": decided.status}
    print_item(decided, facts, as_json=remote.as_json)
    match None if decided.status is None else decided.status.meaning:
        case CancellationStatus.ACCEPTED:
            return ExitCode.DONE
        case CancellationStatus.REFUSED:
            note("the warehouse continues with the order: it may be Shipped by now")
            return ExitCode.REFUSED
        case _:
            note(f"not decided yet; look again: octoffm orders show {order}")
            return ExitCode.UNDECIDED


async def _decision(remote: Remote, request_id: str, wait: float) -> OutboundCancellation:
    clock = asyncio.get_running_loop().time
    ends = clock() + wait
    while True:
        try:
            found = await remote.client.outbound.get_cancellation(request_id)
        except NotFoundError:  # it was just made: not visible yet
            found = OutboundCancellation(outbound_cancellation_request_id=request_id, status=CancellationStatus.PENDING)
        left = ends - clock()
        if (found.status is not None and found.status.final) or left <= 0:
            return found
        await asyncio.sleep(min(PAUSE, left))
