"""The commands that create the items of a file: ``products create``, ``orders create`` and ``inbound create``."""

from __future__ import annotations

from typing import Any

import click

from ...contract.operations import CREATE_INBOUND, CREATE_OUTBOUND, CREATE_PRODUCTS
from ...tabular.item_types import ORDERS, PRODUCTS, SUPPLIES
from ..options import verify_option, with_options
from ..runtime import run_async
from .options import creating_options, file_options, follow_options
from .run import FileCreation, create_from_file, start_orders, start_products, start_supplies

_PRODUCTS = FileCreation(PRODUCTS, CREATE_PRODUCTS, start_products)
_ORDERS = FileCreation(ORDERS, CREATE_OUTBOUND, start_orders)
_SUPPLIES = FileCreation(SUPPLIES, CREATE_INBOUND, start_supplies)


@click.command("create", short_help="Register the products of a file.")
@creating_options
def create_products(**options: Any) -> int:
    """Register the products of FILE: CSV, JSON lines (.jsonl), Parquet or a workbook (.xlsx, .ods, .xls).

    Columns with a field's name are mapped to it; --map maps others. Fields: gtin, seller_product_reference (the gtin if
    there is none), title, product_condition, packaging.length_cm, .width_cm, .height_cm, .weight_g, origin_country,
    customs_code, un_code, icpe_code, is_traceable.

    \b
    octoffm products create catalogue.csv --map gtin=ean --map title=name --dry-run

    Set a member that the API wants and that is no field here with --set extra.NAME=VALUE (JSON, or else text), or map
    it as text with --map extra.NAME=COLUMN; the same holds for orders and supply orders.

    The command writes each item to the journal before it sends it: run the same command again after Ctrl-C, a crash or
    a failure, and it continues where it stopped. The first Ctrl-C lets calls in flight finish, a second one stops at
    once. Rejected rows go to the rejects file with the reason, to be corrected and sent as a file of their own.

    Exits with 0 if all is done, 1 if some were refused or failed, 3 if some are undecided, 130 after Ctrl-C, 143 after
    SIGTERM, 4 if an output could not be written.
    """
    return _create(_PRODUCTS, options)


@click.command("create", short_help="Ship the orders of a file, each once.")
@creating_options
@with_options(*follow_options("accepted", "shipped"), verify_option)
def create_orders(**options: Any) -> int:
    """Ship the orders of FILE: CSV, JSON lines (.jsonl), Parquet or a workbook (.xlsx, .ods, .xls).

    Each row is one line of an order; rows with the same reference must stand together. Fields: reference,
    delivery_mode, storage_country, lines.seller_product_reference, lines.quantity (or lines.product_id with
    lines.product_condition), delivery_address.first_name, .last_name, .address_line1, .postal_code, .city,
    .country_code and more. The last part of a name is enough where it is unambiguous. A JSON object may hold its
    "lines" as a list.

    \b
    octoffm orders create orders.csv --map reference="Order no." --set delivery_mode=TrackedHomeDelivery --dry-run

    The command writes each order to the journal before it sends it: run the same command again after Ctrl-C, a crash or
    a failure, and it continues where it stopped; no order is sent twice. Rejected rows go to the rejects file with the
    reason. If the journal is lost, or only an older copy of it exists, say --verify-first: the command then reads the
    list of all orders first.

    Leave out marketplace orders in supply mode Fulfillment: Octopia ships them itself, and they must not be sent here.
    Sending one would ship it twice.

    Exits with 0 if all is done, 1 if some were refused or failed, 3 if some are undecided, 130 after Ctrl-C, 143 after
    SIGTERM, 4 if an output could not be written.
    """
    return _create(_ORDERS, options)


@click.command("create", short_help="Announce the supply orders of a file.")
@creating_options
@with_options(*follow_options("accepted", "received"), verify_option)
def create_supplies(**options: Any) -> int:
    """Announce the supply orders of FILE: CSV, JSON lines (.jsonl), Parquet or a workbook (.xlsx, .ods, .xls).

    Each row is one line; rows with the same reference must stand together. Fields: reference, storage_country,
    expected_delivery_date, lines.seller_product_reference, lines.quantity.

    Journal, rejects, Ctrl-C and exit codes are those of `octoffm orders create`.
    """
    return _create(_SUPPLIES, options)


def _create(creation: FileCreation, options: dict[str, Any]) -> int:
    with file_options(**options) as given:
        return run_async(create_from_file(given, creation))
