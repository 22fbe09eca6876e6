"""``octoffm inbound``: supply orders sent in to the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...contract.inbound import InboundShipment, InboundStatus
from ..documents import output_option, save_document
from ..errors import ExitCode
from ..filters import OpenEnumParam, country_option, period_options
from ..lazy import Later, LazyGroup
from ..output import (
    Column,
    print_item,
    quantity_of,
    received_of,
    refusal_of,
    refusal_text,
)
from ..remote import remote_command
from ..rows.target import each_alone, kind_of, list_options, print_rows

if TYPE_CHECKING:
    from pathlib import Path

    from ..remote import Remote
    from ..rows.target import RowTarget

group: LazyGroup = LazyGroup(
    "inbound",
    help="Supply orders: goods sent in to the warehouse.",
    later={
        "create": Later("octoffm_async.cli.files.commands:create_supplies", "Announce the supply orders of a file."),
    },
)

COLUMNS = (
    Column("id", "inbound_shipment_id"),
    Column("reference", "reference"),
    Column("status", "status"),
    Column("country", "storage_country"),
    Column("announced", quantity_of, right=True),
    Column("received", received_of, right=True),
    Column("updated (UTC)", "updated_at"),
    Column("refusal", refusal_of),
)
SUPPLIES = kind_of(InboundShipment, "supply order", "supply orders", COLUMNS)
_LINES = (
    Column("product", "seller_product_reference"),
    Column("announced", "quantity", right=True),
    Column("received", "received_quantity", right=True),
    Column("missing", "undelivered_quantity", right=True),
)


@group.command("list")
@click.option("--status", type=OpenEnumParam(InboundStatus), help="Only those in this status.")
@country_option
@period_options("updated")
@period_options("created")
@list_options
@remote_command
async def list_orders(remote: Remote, target: RowTarget, **filters: Any) -> int:
    """List supply orders."""
    return await print_rows(remote, target, each_alone(aiter(remote.client.inbound.list(**filters))), SUPPLIES)


@group.command("show", short_help="Show a supply order with its lines.")
@click.argument("supply_order", metavar="ID")
@remote_command
async def show(remote: Remote, supply_order: str) -> int:
    """Show a supply order with its lines: announced, received, missing."""
    order = await remote.client.inbound.get(supply_order)
    facts: dict[str, object] = {
        "id": order.inbound_shipment_id,
        "reference": order.reference,
        "code": order.code,
        "status": order.status,
        "refusal": refusal_text(order.refusal),
        "country": order.storage_country,
        "expected": order.expected_delivery_date,
        "created": order.created_at,
        "updated": order.updated_at,
    }
    print_item(order, facts, (order.lines, _LINES), as_json=remote.as_json)
    return ExitCode.DONE


@group.command("delivery-note", short_help="Fetch the delivery note for the parcels.")
@click.argument("supply_order", metavar="ID")
@output_option("File to write; by default under its own name, and - is standard output.")
@remote_command
async def delivery_note(remote: Remote, supply_order: str, output: Path | None) -> int:
    """Fetch the delivery note to put into the parcels, usually a PDF. It exists from status Accepted on."""
    note = await remote.client.inbound.delivery_note(supply_order)
    save_document(remote, note, output, of=supply_order)
    return ExitCode.DONE
