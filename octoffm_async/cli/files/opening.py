"""Opening of the file that a command reads, by what its options and the description of a shop's export say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ...errors import ConfigurationError
from ...tabular.column_plan import header_fits, plan_for
from ...tabular.exports import NAMES, exports_of, read_export
from ...tabular.formats.open import open_table
from ...tabular.mapping_file import Mapping, save_mapping
from ...text import printable

if TYPE_CHECKING:
    from ...tabular.column_plan import ColumnPlan
    from ...tabular.item_types import ItemType
    from ...tabular.notes import ReadingNotes
    from ...tabular.rows import Table
    from .options import FileOptions


def open_file(file_options: FileOptions, target: ItemType) -> tuple[Table, ColumnPlan]:
    """Open the file of a command, plan the reading of its rows, and save the mapping if an option says so.

    Raises:
        ConfigurationError: The file cannot be read, or its columns do not fit.
    """
    given, reading = file_options.whole_mapping, file_options.reading
    export = None if file_options.export is None else read_export(file_options.export, target.plural)
    table = open_table(
        file_options.readable,
        delimiter=file_options.delimiter or (None if export is None else export.delimiter),
        encoding=file_options.encoding,
        quoted=export is None or export.quoted,
        sheet=file_options.sheet,
        fits=header_fits(target, given.columns, given.values) if export is None else export.fits,
    )
    if export is None:
        plan = plan_for(table, target, given.columns, given.values, reading)
    else:
        if table.columns is None:
            raise ConfigurationError(f"{file_options.file} has no columns: --from is for CSV files and workbooks")
        mapping = Mapping(export.mapping(table.columns), {}).with_(given.columns, given.values)
        reading = replace(reading, statuses=export.rules(table.columns))
        plan = plan_for(table, target, mapping.columns, mapping.values, reading, by_name=False)
        plan = replace(plan, unused=export.unknown(plan.unused))
    if file_options.save_mapping is not None:
        save_mapping(file_options.save_mapping, given)
    return table, plan


def notes_fact(notes: ReadingNotes) -> str:
    """Return the report of a reading as one fact of a summary."""
    return printable("; ".join(notes.lines()))


def mappings_command(plural: str) -> click.Command:
    """Return the command that shows the columns that ``--from`` takes for one kind of items."""

    @click.command("mappings", short_help=f"Show the columns of shops' exports of {plural} (--from).")
    @click.argument("name", type=click.Choice(NAMES), required=False)
    def mappings(name: str | None) -> int:
        for one in NAMES if name is None else (name,):
            export = exports_of(one).get(plural)
            if export is None:
                continue
            click.echo(f"--from {one}:{export.about}".replace(":\n", ":\n  ", 1).replace("\n", "\n  "))
            for field, columns in export.columns.items():
                click.echo(f"    {field} = {' or '.join(columns)}")
            for column, rule in export.statuses.items():
                sent = ", ".join(status or "(empty)" for status in rule.send)
                left = ", ".join("any" if status == "*" else status for status in rule.leave)
                click.echo(f"    {column}: sent if {sent}; left out if {left}; refused otherwise")
        return 0

    mappings.help = f"Show which columns of a shop's export --from reads as which fields of {plural}."
    return mappings


ORDERS_MAPPINGS: Any = mappings_command("orders")
PRODUCTS_MAPPINGS: Any = mappings_command("products")
