"""Opening of the file that a command reads, by what its options and the description of a shop's export say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ...tabular.exports import NAMES, exports_of
from ...tabular.item_file import open_items
from ...tabular.mapping_file import save_mapping
from ...text import printable

if TYPE_CHECKING:
    from ...tabular.cells.notes import ReadingNotes
    from ...tabular.column_plan import ColumnPlan
    from ...tabular.item_types import ItemType
    from ...tabular.rows import Table
    from .options import FileOptions


def open_file(file_options: FileOptions, target: ItemType) -> tuple[Table, ColumnPlan]:
    """Open the file of a command, plan the reading of its rows, and save the mapping if an option says so.

    Raises:
        ConfigurationError: The file cannot be read, or its columns do not fit.
    """
    given = file_options.whole_mapping
    opened = open_items(
        file_options.readable,
        target,
        given,
        file_options.reading,
        export=file_options.export,
        delimiter=file_options.delimiter,
        encoding=file_options.encoding,
        sheet=file_options.sheet,
    )
    if file_options.save_mapping is not None:
        save_mapping(file_options.save_mapping, given)
    return opened


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
