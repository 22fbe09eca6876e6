"""``octoffm products``: the seller's products, and their registration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ...contract.operations import CREATE_PRODUCTS
from ...contract.products import (
    FulfillmentProduct,
    ProductCondition,
    ProductResult,
    RegistrationStatus,
    SellerReference,
)
from ...resources.products import check_product
from ..documents import dry_run_option, print_request
from ..errors import ExitCode
from ..filters import OpenEnumParam
from ..lazy import Later, LazyGroup
from ..output import Column, print_item
from ..remote import remote_command
from ..rows.target import each_alone, kind_of, list_options, print_rows

if TYPE_CHECKING:
    from ..remote import Remote
    from ..rows.target import RowTarget

group: LazyGroup = LazyGroup(
    "products",
    help="Register products, and list what is registered.",
    later={
        "create": Later("octoffm_async.cli.files.commands:create_products", "Register the products of a file."),
        "mappings": Later(
            "octoffm_async.cli.files.opening:PRODUCTS_MAPPINGS",
            "Show the columns of shops' exports of products (--from).",
        ),
    },
)

COLUMNS = (
    Column("reference", "seller_product_reference"),
    Column("gtin", "gtin"),
    Column("condition", "product_condition"),
    Column("stock id", "stock_id"),
    Column("product id", "product_id"),
    Column("created (UTC)", "created_at"),
)

PRODUCTS = kind_of(SellerReference, "product", "products", COLUMNS, private=False)


@group.command("list", short_help="List the seller's products.")
@list_options
@remote_command
async def list_products(remote: Remote, max_items: int | None, target: RowTarget) -> int:
    """List the seller's products: each reference, with the product and the stock of it."""
    references = remote.client.products.references(max_items=max_items)
    return await print_rows(remote, target, each_alone(aiter(references)), PRODUCTS)


group.add_command(list_products, "references")


@group.command("add-reference", short_help="Add your reference to a registered product.")
@click.option("--gtin", required=True, help="GTIN of the product, 8 to 14 digits.")
@click.option("--reference", required=True, metavar="REF", help="Your own reference for it.")
@click.option(
    "--condition", type=OpenEnumParam(ProductCondition), default="New", show_default=True, help="Its condition."
)
@dry_run_option
@remote_command
async def add_reference(remote: Remote, gtin: str, reference: str, condition: str, dry_run: bool) -> int:
    """Add your reference to a product that is registered already, by you or by another seller.

    Exits with 0 if it was accepted, 1 if it was refused, 3 if the API did not say.
    """
    product = FulfillmentProduct(gtin=gtin, seller_product_reference=reference, product_condition=condition)
    if dry_run:
        check_product(product)
        return print_request(remote, CREATE_PRODUCTS, [product])
    result = await remote.client.products.add_reference(
        gtin=gtin, seller_product_reference=reference, product_condition=condition
    )
    why = ": ".join(part for part in (result.code, result.message) if part)
    facts: dict[str, object] = {"reference": result.seller_product_reference, "status": result.status, "why": why}
    print_item(result, facts, as_json=remote.as_json)
    return exit_code_of_product(result)


def exit_code_of_product(result: ProductResult) -> ExitCode:
    """Return the exit code of the API's result for a product."""
    verdicts = {RegistrationStatus.ACCEPTED: ExitCode.DONE, RegistrationStatus.REFUSED: ExitCode.REFUSED}
    return verdicts.get(result.status.meaning, ExitCode.UNDECIDED)
