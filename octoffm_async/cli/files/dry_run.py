"""``--dry-run``: read and check the whole file, show what would be sent, and send nothing."""

from __future__ import annotations

import sys
from math import ceil
from typing import TYPE_CHECKING, Any

import click
import msgspec

from ...bulk.odd_references import OddReferences
from ...contract.contract_file.encoding import RequestEncoder
from ...contract.contract_file.translation import Translation
from ...tabular.item_reader import ItemReader
from ...tabular.rejects import RejectsFile
from ...text import is_unicode, printable, safe_json
from ..errors import ExitCode
from ..output import print_json_line

if TYPE_CHECKING:
    from ...contract.operations import Operation
    from ...tabular.column_plan import ColumnPlan
    from ...tabular.item_reader import RejectedItem
    from ...tabular.rows import Table
    from .options import FileOptions

FIRST = 3
"""Bodies that are shown."""


def dry_run(file_options: FileOptions, table: Table, plan: ColumnPlan, operation: Operation[Any]) -> ExitCode:
    """Check the file. Items are shown as they would be sent, under the API's names if a contract file gives some.

    The rejects file is written only if ``--rejects`` names it.
    """
    translation = Translation(file_options.contract_file)
    encoder, batch = RequestEncoder(translation), translation.max_items(operation)
    rejects = None if file_options.rejects is None else RejectsFile(file_options.rejects, table)

    def print_rejected(faulty: RejectedItem) -> None:
        if rejects is not None:
            rejects(faulty)
        for problem in faulty.problems:
            if file_options.as_json:
                fields = msgspec.to_builtins(problem._asdict()) | {"key": faulty.key, "file": str(file_options.file)}
                print_json_line({"event": "problem", **fields})
            else:
                click.echo(f"{file_options.file}, {printable(str(problem))}")

    first: list[bytes] = []
    odd, references = 0, OddReferences(plan.target.plural, plan.target.key)
    items = ItemReader(table, plan, print_rejected)
    for item in items:
        reference: str = getattr(item, plan.target.key)
        if reason := references.reason(reference):
            odd += 1
            if odd <= FIRST and not file_options.as_json:
                click.echo(
                    f"{file_options.file}, line {items.line}: {printable(f'odd reference: {reference!r} {reason}')}"
                )
        if len(first) < FIRST:
            first.append(encoder.encode_item(operation, item))
    if rejects is not None:
        rejects.close()
    calls = ceil(items.good / batch)
    facts: dict[str, Any] = {"rows": items.rows, plan.target.plural.replace(" ", "_"): items.good}
    facts |= {"calls": calls, "faulty": items.faulty, "faulty_rows": items.faulty_rows}
    facts |= {"odd_references": odd} if odd else {}
    facts |= {"left_out": items.left_out} if items.left_out else {}
    if file_options.as_json:
        bodies = [msgspec.Raw(body) for body in first]
        print_json_line({"event": "read_as", **items.notes.as_fields()})
        print_json_line({"event": "dry_run", **facts, "would_send": bodies})
    else:
        _print_summary(file_options, plan, facts, first, items)
    return ExitCode.REFUSED if items.faulty or (odd and file_options.strict_references) else ExitCode.DONE


def _print_summary(
    file_options: FileOptions, plan: ColumnPlan, facts: dict[str, Any], first: list[bytes], items: ItemReader
) -> None:
    good = items.good
    for line in items.notes.lines():
        click.echo(printable(line))
    click.echo("columns: " + ", ".join(f"{field} = {column}" for field, column in plan.columns.items()))
    if first:
        more = f" (the first {len(first)} of {good:,})" if good > len(first) else ""
        click.echo(f"would send{more}:")
        for body in first:
            click.echo(f"  {safe_json(body.decode(), ascii_only=not is_unicode(sys.stdout))}")
    click.echo(
        f"{file_options.file}: {facts['rows']:,} rows, {good:,} {plan.target.plural} in {facts['calls']:,} calls would "
        f"be sent, {facts['faulty']:,} are faulty ({facts['faulty_rows']:,} rows); nothing was sent"
    )
    if items.left_out:
        click.echo(f"{items.left_out:,} {plan.target.plural} were left out for their status")
    if odd := facts.get("odd_references"):
        click.echo(f"{odd:,} odd references, which may be kept in another form (--strict-references refuses them)")
    if facts["faulty"] and file_options.rejects is not None:
        click.echo(f"rejects file: {file_options.rejects}")
