"""Selection of a shipping order: by its id, or by the seller's reference."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from ...errors import OctoffmError
from ..filters import MOMENT_PARAM, WHEN
from ..options import note

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from ...contract.outbound import OutboundShipment
    from ..remote import Remote


class NoSuchOrderError(OctoffmError):
    """The error that no shipping order has the reference."""


class OrderSelector(NamedTuple):
    """An id or a reference of an order; ``since`` narrows the search for a reference."""

    id: str | None
    reference: str | None
    since: datetime | None


def order_options(command: Callable[..., int]) -> Callable[..., int]:
    """Add ``ID`` or ``--reference REF``, and ``--since``; the command receives ``selector: OrderSelector``."""

    @functools.wraps(command)
    def made(*arguments: Any, order: str | None, reference: str | None, since: datetime | None, **own: Any) -> int:
        if (order is None) == (reference is None):
            raise click.UsageError("name one order: ID or --reference", click.get_current_context())
        return command(*arguments, selector=OrderSelector(order, reference, since), **own)

    made = click.option(
        "--since",
        type=MOMENT_PARAM,
        metavar="WHEN",
        help=f"Search the reference in orders that changed since then: {WHEN}.",
    )(made)
    made = click.option("--reference", metavar="REF", help="Your own reference, in place of the id.")(made)
    return click.argument("order", metavar="[ID]", required=False)(made)


async def find_orders(remote: Remote, selector: OrderSelector) -> list[OutboundShipment]:
    """Return the selected orders: one, or several that have the same reference.

    Raises:
        NoSuchOrderError: No order has that reference.
        CallError: The orders could not be read.
    """
    outbound = remote.client.outbound
    if selector.id is not None:
        return [await outbound.get(selector.id)]
    orders = outbound.list(status_updated_at_min=selector.since)
    found = [order async for order in orders if order.reference == selector.reference]
    if not found:
        narrowed = " among those that changed since then" if selector.since else ""
        raise NoSuchOrderError(
            f"seller {remote.config.seller_id} has no shipping order {selector.reference!r}{narrowed}"
        )
    if len(found) > 1:
        note(f"{len(found)} shipping orders have the reference {selector.reference!r}")
    return found


async def find_order_id(remote: Remote, selector: OrderSelector) -> str:
    """Return the id of the one selected order.

    Raises:
        NoSuchOrderError: No order has that reference.
        ClickException: More than one order has it.
        CallError: The orders could not be read.
    """
    if selector.id is not None:
        return selector.id
    found = await find_orders(remote, selector)
    if len(found) > 1:
        ids = ", ".join(order.outbound_shipment_id for order in found)
        raise click.ClickException(
            f"{selector.reference!r} is not one order but {len(found)}: name one by its id ({ids})"
        )
    return found[0].outbound_shipment_id
