"""``octoffm cluster submit``: check a file, cut it into chunks and load them for the fleet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from ...bulk.durable.status_tracking import FOLLOW_FOR
from ...contract.operations import CREATE_INBOUND, CREATE_OUTBOUND, CREATE_PRODUCTS
from ...tabular.item_types import ORDERS, PRODUCTS, SUPPLIES
from ...text import printable
from ..errors import ExitCode
from ..files.dry_run import dry_run
from ..files.opening import notes_fact, open_file
from ..files.options import CHECKING, DECIDING, ORDER_CELLS, READING, file_options, follow_options
from ..options import (
    contract_option,
    env_file_option,
    json_option,
    note,
    seller_option,
    verbose_option,
    with_options,
)
from ..runtime import run_async
from ..settings.reading import read_setting
from .options import cluster_option, opened
from .status import print_job

if TYPE_CHECKING:
    from ...bulk.durable.status_tracking import InboundGoal, OutboundGoal
    from ...cluster.jobs import CreationKind, JobRecord
    from ...contract.operations import Operation
    from ...tabular.item_types import ItemType
    from ..files.options import FileOptions

_TARGETS: dict[str, tuple[ItemType, Operation[Any]]] = {
    "products": (PRODUCTS, CREATE_PRODUCTS),
    "orders": (ORDERS, CREATE_OUTBOUND),
    "inbound": (SUPPLIES, CREATE_INBOUND),
}


@click.group()
def submit() -> None:
    """Load a file as a job for the fleet.

    The file is read and checked as by "octoffm orders create" and the like; rejected rows go to the rejects file. The
    fleet starts when the whole file is loaded.
    """


_GOALS = {"products": (), "orders": ("accepted", "shipped"), "inbound": ("accepted", "received")}
_OPTIONS = (
    *READING,
    *ORDER_CELLS,
    seller_option,
    cluster_option,
    *CHECKING,
    *DECIDING,
    click.option(
        "--chunk", type=click.IntRange(1), default=500, show_default=True, metavar="N", help="Items of one chunk."
    ),
    env_file_option,
    contract_option,
    json_option,
    verbose_option,
)


def _command(kind: str) -> click.Group:
    group = click.Group(kind, help=f"Jobs of {_TARGETS[kind][0].plural}.")

    @group.command(
        "create",
        help=f"Load a file of {_TARGETS[kind][0].plural}: CSV, JSON lines, Parquet or a workbook.",
        short_help=f"Load a file of {_TARGETS[kind][0].plural}.",
    )
    @with_options(*_OPTIONS, *(follow_options(*_GOALS[kind]) if _GOALS[kind] else ()))
    def create(address: str, chunk: int, **options: Any) -> int:
        with file_options(**options) as given:
            return run_async(_submit(kind, given, address, chunk))

    del create
    return group


async def _submit(kind: str, given: FileOptions, address: str, chunk: int) -> int:
    given.check_paths(journal=False, rejects=not given.dry_run)
    target, operation = _TARGETS[kind]
    table, plan = open_file(given, target)
    if given.dry_run:
        return dry_run(given, table, plan, operation)
    _ = given.contract_file  # the workers have their own; a wrong one is reported before anything is loaded
    seller = given.seller or read_setting(given.env_file, "seller_id")
    if not seller:
        raise click.UsageError("no seller: say --seller ID, or set OCTOFFM_SELLER_ID", click.get_current_context())
    async with opened(address) as cluster:
        record = await cluster.submit_table(
            cast("CreationKind", kind),
            table,
            plan,
            seller=seller,
            rejects=given.rejects_file,
            patience=given.patience,
            resend_unknown=given.resend_unknown,
            follow=cast("OutboundGoal | InboundGoal | None", given.follow),
            follow_for=given.follow_for or FOLLOW_FOR,
            chunk=chunk,
            on_read=lambda notes: note(f"read as: {notes_fact(notes)}"),
        )
    return _print_submitted(record, given)


def _print_submitted(record: JobRecord, given: FileOptions) -> int:
    print_job(record, as_json=given.as_json)
    if record.faulty:
        where = printable(str(given.rejects_file))
        click.echo(f"octoffm: {record.faulty:,} were rejected, with the reasons in {where}", err=True)
    return ExitCode.REFUSED if record.faulty else ExitCode.DONE


for _kind in _TARGETS:
    submit.add_command(_command(_kind))
