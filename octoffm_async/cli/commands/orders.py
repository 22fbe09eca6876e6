"""``octoffm orders``: shipping orders to customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...contract.outbound import OutboundShipment, OutboundStatus, ShipmentState
from ..errors import ExitCode
from ..filters import OpenEnumParam, period_options
from ..lazy import Later, LazyGroup
from ..output import (
    Column,
    print_item,
    quantity_of,
    refusal_of,
    refusal_text,
)
from ..remote import remote_command
from ..rows.target import each_alone, kind_of, list_options, print_rows
from .orders_cancel import cancel
from .orders_find import find_orders, order_options
from .orders_follow import follow

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ...contract.outbound import ParcelLine, ShippedTo
    from ..remote import Remote
    from ..rows.target import RowTarget
    from .orders_find import OrderSelector

group: LazyGroup = LazyGroup(
    "orders",
    help="Shipping orders to customers.",
    later={
        "create": Later("octoffm_async.cli.files.commands:create_orders", "Ship the orders of a file, each once."),
        "mappings": Later(
            "octoffm_async.cli.files.opening:ORDERS_MAPPINGS", "Show the columns of shops' exports of orders (--from)."
        ),
    },
)


def _product(line: ParcelLine) -> str | None:
    return line.seller_product_reference or line.product_id


COLUMNS = (
    Column("id", "outbound_shipment_id"),
    Column("reference", "reference"),
    Column("status", "status"),
    Column("state", "state"),
    Column("from", "storage_country"),
    Column("items", quantity_of, right=True),
    Column("status since (UTC)", "status_updated_at"),
    Column("refusal", refusal_of),
)
ORDERS = kind_of(OutboundShipment, "shipping order", "shipping orders", COLUMNS)
_LINES = (
    Column("product", _product),
    Column("condition", "product_condition"),
    Column("quantity", "quantity", right=True),
)
_PARCELS = (
    Column("parcel", "parcel_id"),
    Column("carrier", "carrier"),
    Column("tracking number", "tracking_number"),
    Column("items", quantity_of, right=True),
    Column("tracking url", "tracking_url"),
)


@group.command("list")
@click.option("--state", type=OpenEnumParam(ShipmentState), help="Only those of this validity.")
@click.option(
    "--status", type=OpenEnumParam(OutboundStatus), help="Only those in this status; filtered here, not by the API."
)
@period_options("updated", "status_updated_at")
@list_options
@remote_command
async def list_orders(
    remote: Remote, *, status: str | None, max_items: int | None, target: RowTarget, **filters: Any
) -> int:
    """List shipping orders; the times are of their status."""
    orders = remote.client.outbound.list(max_items=None if status else max_items, **filters)
    items = _picked(aiter(orders), status, max_items) if status else aiter(orders)
    return await print_rows(remote, target, each_alone(items), ORDERS)


@group.command("show", short_help="Show a shipping order, by id or reference.")
@order_options
@remote_command
async def show(remote: Remote, selector: OrderSelector) -> int:
    """Show a shipping order, by its id or by your reference: lines, address, and parcels once shipped.

    The API has no filter on references: all orders are read, or those that changed --since then.
    """
    orders = await find_orders(remote, selector)
    for place, order in enumerate(orders):
        if place and not remote.as_json:
            click.echo()
        print_item(order, _facts(order), (order.lines, _LINES), (order.parcels, _PARCELS), as_json=remote.as_json)
    return ExitCode.DONE


async def _picked(
    orders: AsyncIterator[OutboundShipment], status: str, most: int | None
) -> AsyncIterator[OutboundShipment]:
    count = 0
    async for order in orders:
        if order.status == status:
            yield order
            count += 1
            if count == most:
                return


def _facts(order: OutboundShipment) -> dict[str, object]:
    return {
        "id": order.outbound_shipment_id,
        "reference": order.reference,
        "status": order.status,
        "state": order.state,
        "refusal": refusal_text(order.refusal),
        "from": order.storage_country,
        "mode": order.delivery_mode,
        "to": _address(order.delivery_address),
        "created": order.created_at,
        "updated": order.updated_at,
        "status since": order.status_updated_at,
    }


def _address(to: ShippedTo | None) -> str:
    if to is None:
        return ""
    name = " ".join(part for part in (to.civility, to.first_name, to.last_name) if part)
    city = " ".join(part for part in (to.postal_code, to.city) if part)
    lines = (name, to.company_name, to.address_line1, to.address_line2, to.address_line3, city, to.state_or_region)
    return ", ".join(part for part in (*lines, to.country_code) if part)


group.add_command(cancel)
group.add_command(follow)
