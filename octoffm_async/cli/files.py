"""The commands that create what a file lists: ``products create``, ``orders create`` and ``inbound create``."""

from __future__ import annotations

from typing import Any

import click

from ..contract.operations import CREATE_INBOUND, CREATE_OUTBOUND, CREATE_PRODUCTS
from ..tabular.targets import ORDERS, PRODUCTS, SUPPLIES
from . import inbound, orders, products, stocks
from .file_lookup import lookup
from .file_options import FileOptions, creating_options
from .file_run import Creation, create_from_file, start_orders, start_products, start_supplies
from .loop import run_async
from .options import verify_option

_PRODUCTS = Creation(PRODUCTS, CREATE_PRODUCTS, start_products)
_ORDERS = Creation(ORDERS, CREATE_OUTBOUND, start_orders)
_SUPPLIES = Creation(SUPPLIES, CREATE_INBOUND, start_supplies)

_follow_for = click.option(
    "--follow-for",
    type=click.FloatRange(0, min_open=True),
    metavar="S",
    help="Seconds that --follow may take, a week if not given; what is not there by then is undecided.",
)


@click.command("create")
@creating_options
def create_products(**options: Any) -> int:
    """Register the products of FILE: CSV, JSON lines (.jsonl), Parquet or a workbook (.xlsx, .ods, .xls).

    Columns that bear a field's name are taken; --map names others. Fields: gtin, seller_product_reference (the gtin if
    there is none), title, product_condition, packaging.length_cm, .width_cm, .height_cm, .weight_g, origin_country,
    customs_code, un_code, icpe_code, is_traceable.

    \b
    octoffm products create catalogue.csv --map gtin=ean --map title=name --dry-run

    What the API wants and is no field here is set by --set extra.NAME=VALUE (JSON, or else text) or mapped as text by
    --map extra.NAME=COLUMN; so with orders and supply orders.

    What is sent stands in the journal first: run the same command again after Ctrl-C, a crash or a failure, and it goes
    on where it was. Ctrl-C once finishes what is under way, twice stops at once. Rows that are not taken go to the
    rejects file with the reason, to be mended and sent as a file of their own.

    Exits with 0 if all is done, 1 if some were refused or failed, 3 if some are undecided, 130 after Ctrl-C.
    """
    return run_async(create_from_file(FileOptions(**options), _PRODUCTS))


@click.command("create")
@creating_options
@click.option("--follow", type=click.Choice(["accepted", "shipped"]), help="Wait until each order is so, or refused.")
@_follow_for
@verify_option
def create_orders(**options: Any) -> int:
    """Ship the orders of FILE: CSV, JSON lines (.jsonl), Parquet or a workbook (.xlsx, .ods, .xls).

    Each row is one line of an order; rows with the same reference stand together. Fields: reference, delivery_mode,
    storage_country, lines.seller_product_reference, lines.quantity (or lines.product_id with lines.product_condition),
    delivery_address.first_name, .last_name, .address_line1, .postal_code, .city, .country_code and more. The last part
    of a name will do where it is clear. A JSON object may hold its "lines" as a list.

    \b
    octoffm orders create orders.csv --map reference="Order no." --set delivery_mode=TrackedHomeDelivery --dry-run

    What is sent stands in the journal first: run the same command again after Ctrl-C, a crash or a failure, and it goes
    on where it was; no order is sent twice. Rows that are not taken go to the rejects file with the reason. If the
    journal is lost, or only an older copy of it is left, say --verify-first: the list of all orders is read first.

    Leave out marketplace orders in supply mode Fulfillment: they are shipped by Octopia itself and must not be sent
    here. Sending one would ship it twice.

    Exits with 0 if all is done, 1 if some were refused or failed, 3 if some are undecided, 130 after Ctrl-C.
    """
    return run_async(create_from_file(FileOptions(**options), _ORDERS))


@click.command("create")
@creating_options
@click.option("--follow", type=click.Choice(["accepted", "received"]), help="Wait until each is so, or refused.")
@_follow_for
@verify_option
def create_supplies(**options: Any) -> int:
    """Announce the supply orders of FILE: CSV, JSON lines (.jsonl), Parquet or a workbook (.xlsx, .ods, .xls).

    Each row is one line; rows with the same reference stand together. Fields: reference, storage_country,
    expected_delivery_date, lines.seller_product_reference, lines.quantity.

    Journal, rejects, Ctrl-C and exit codes are those of `octoffm orders create`.
    """
    return run_async(create_from_file(FileOptions(**options), _SUPPLIES))


def register() -> None:
    """Add these commands to the groups of their nouns."""
    products.group.add_command(create_products)
    orders.group.add_command(create_orders)
    inbound.group.add_command(create_supplies)
    stocks.group.add_command(lookup)
