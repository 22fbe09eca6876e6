"""``octoffm returns``: parcels that come back to the warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...contract.common import ShipmentLine
from ...contract.contract_file.translation import Translation
from ...contract.operations import CREATE_RETURN
from ...contract.requests.validation import return_problems
from ...contract.returns import Return, ReturnReason, ReturnRequest, ReturnStatus, ReturnType
from ...errors import ValidationError
from ..documents import dry_run_option, output_option, print_request, save_document
from ..errors import ExitCode
from ..files.extra_members import check_against_contract, extra_option
from ..filters import OpenEnumParam, period_options
from ..output import Column, print_item, print_json_line, quantity_of, received_of
from ..remote import remote_command
from ..rows.target import each_alone, kind_of, list_options, print_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ..remote import Remote
    from ..rows.target import RowTarget

group: click.Group = click.Group("returns", help="Returns: parcels that come back to the warehouse.")

COLUMNS = (
    Column("id", "return_id"),
    Column("type", "type"),
    Column("status", "status"),
    Column("reason", "reason"),
    Column("order id", "outbound_shipment_id"),
    Column("announced", quantity_of, right=True),
    Column("received", received_of, right=True),
    Column("label", "has_label"),
    Column("updated (UTC)", "updated_at"),
)
RETURNS = kind_of(Return, "return", "returns", COLUMNS)
_LINES = (
    Column("product", "seller_product_reference"),
    Column("announced", "quantity", right=True),
    Column("received", "received_quantity", right=True),
    Column("state", "state"),
)


def lines_of(context: click.Context, option: click.Parameter, given: Sequence[str]) -> list[ShipmentLine]:
    """Parse ``REF=2``, given any number of times, into lines; without a number the quantity is one."""
    lines: list[ShipmentLine] = []
    for text in given:
        reference, equals, number = text.rpartition("=")
        if not equals:
            reference, number = text, "1"
        if not reference.strip() or not (number.isascii() and number.isdigit() and len(number) < 10) or not int(number):
            raise click.BadParameter(f"{text!r} is not REF=QUANTITY, such as SHIRT-1=2", context, option)
        lines.append(ShipmentLine(quantity=int(number), seller_product_reference=reference.strip()))
    return lines


@group.command("create", short_help="Announce a customer's return.")
@click.option("--order", metavar="ID", help="The shipping order that comes back, by its id.")
@click.option("--reference", metavar="REF", help="The same order, by your own reference.")
@click.option("--reason", type=OpenEnumParam(ReturnReason), required=True, help="Why it comes back.")
@click.option(
    "--line",
    "lines",
    multiple=True,
    required=True,
    callback=lines_of,
    metavar="REF=QUANTITY",
    help="A product that comes back, and how many of it; may be given many times.",
)
@click.option("--comment", metavar="TEXT", help="A comment for the warehouse.")
@extra_option(ReturnRequest)
@dry_run_option
@remote_command
async def create(remote: Remote, order: str | None, dry_run: bool, **fields: Any) -> int:
    """Announce a customer's return, for a parcel shipped from FR or ES.

    \b
    octoffm returns create --reference ORDER-1 --reason Retraction --line SHIRT-1=2
    """
    if order is None and fields["reference"] is None:
        raise click.UsageError("name the order that comes back: --order or --reference", click.get_current_context())
    check_against_contract(Translation(remote.config.contract_file), ReturnRequest, fields["extra"] or ())
    request = ReturnRequest(outbound_shipment_id=order, **fields)
    if dry_run:
        if problems := return_problems(request):
            raise ValidationError("return", str(request.reference or order), problems)
        return print_request(remote, CREATE_RETURN, request)
    return_id = await remote.client.returns.create(request)
    if remote.as_json:
        print_json_line({"return_id": return_id})
    else:
        click.echo(return_id)
    return ExitCode.DONE


@group.command("list")
@click.option("--type", type=OpenEnumParam(ReturnType), help="Only those of this type: the sender of the return.")
@click.option("--status", type=OpenEnumParam(ReturnStatus), help="Only those in this status.")
@period_options("updated")
@period_options("created")
@list_options
@remote_command
async def list_returns(remote: Remote, target: RowTarget, **filters: Any) -> int:
    """List returns."""
    return await print_rows(remote, target, each_alone(aiter(remote.client.returns.list(**filters))), RETURNS)


@group.command("show", short_help="Show a return with its lines.")
@click.argument("return_id", metavar="ID")
@remote_command
async def show(remote: Remote, return_id: str) -> int:
    """Show a return with its lines: announced, received, and in which state."""
    found = await remote.client.returns.get(return_id)
    facts: dict[str, object] = {
        "id": found.return_id,
        "type": found.type,
        "status": found.status,
        "reason": found.reason,
        "recommended": found.recommended_return_reason,
        "order id": found.outbound_shipment_id,
        "reference": found.reference,
        "parcel": found.parcel_id,
        "comment": found.comment,
        "warehouse": found.warehouse_comment,
        "label": found.has_label,
        "received": found.receipt_date,
        "created": found.created_at,
        "updated": found.updated_at,
        "undeclared": found.undeclared_quantity or None,
    }
    print_item(found, facts, (found.lines, _LINES), as_json=remote.as_json)
    return ExitCode.DONE


@group.command("label")
@click.argument("return_id", metavar="ID")
@output_option("File to write; by default under its own name, and - is standard output.")
@remote_command
async def label(remote: Remote, return_id: str, output: Path | None) -> int:
    """Fetch the label for the customer, usually a PDF. Only returns to FR have one."""
    document = await remote.client.returns.label(return_id)
    save_document(remote, document, output, of=return_id)
    return ExitCode.DONE
