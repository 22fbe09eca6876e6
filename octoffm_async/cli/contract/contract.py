"""``octoffm contract``: this version's description of the API, exported and compared with the official file."""

from __future__ import annotations

import sys
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from ...contract.contract_file.parser import read_contract
from ...contract.contract_file.problems import ContractFileError
from ...contract.contract_file.respelling import respelled_document
from ...contract.openapi.comparison import compare
from ...contract.openapi.description import NotOpenAPIError, describe
from ...contract.openapi.export import openapi_document
from ...contract.operations import CREATE_PRODUCTS, OPERATIONS, Operation
from ...text import safe_json, safe_text
from ...version import __version__
from ..documents import atomic_replace
from ..errors import ExitCode
from ..lazy import Later, LazyGroup
from ..output import print_json_line
from ..progress import SafeConsole
from .yaml_reader import UnreadableDocumentError, json_text, read_document, yaml_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...contract.openapi.description import Description
    from ...contract.openapi.differences import Difference

OFFICIAL = "https://developer.octopia-io.net/wp-json/octopia/v1/download/sellers"
"""The address of Octopia's own OpenAPI file."""
_ALSO_SERVED = {CREATE_PRODUCTS.name: ("client.products.add_reference",)}
_LONGEST_LINE = 400
_WIDE = 120
"""Terminal columns from which the table has room for all of its columns."""


@click.group(
    cls=LazyGroup,
    later={
        "adopt": Later(
            "octoffm_async.cli.contract.adopt:adopt_command", "Generate a contract file from an OpenAPI file."
        ),
        "drift": Later(
            "octoffm_async.cli.contract.drift:drift", "Show recorded differences between answers and the contract."
        ),
        "probe": Later("octoffm_async.cli.contract.probe:probe", "Probe the real API in thirteen steps, reading only."),
    },
    short_help="Export and check this version's description of the API.",
)
def contract() -> None:
    """Export this version's description of the API, check it against an OpenAPI file, adopt the names of one."""


@contract.command()
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file.")
@click.option("--yaml", "as_yaml", is_flag=True, help="YAML instead of JSON; so is FILE.yaml.")
def export(output: Path | None, as_yaml: bool) -> None:
    """Write the contract as OpenAPI 3.1."""
    document = openapi_document(version=__version__)
    as_yaml = as_yaml or (output is not None and output.suffix in {".yaml", ".yml"})
    text = yaml_text(document) if as_yaml else safe_json(json_text(document))
    if output is None:
        sys.stdout.write(text)
        return
    with atomic_replace(output, private=False) as file:
        file.write(text.encode())


@contract.command(
    help=f"""Compare the contract with an OpenAPI file, JSON or YAML.

    Octopia's own is at {OFFICIAL}. Differences that can do harm are marked with !, and each carries our tag: D
    documented, S seen in public client code, A assumed. With --contract, shows the differences that remain once a
    contract file has given our names their spelling. Exits with 0 if there is no difference, else with 1.
    """
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--contract",
    "contract_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help='A contract file, such as "octoffm contract adopt" writes.',
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def check(file: Path, contract_file: Path | None, as_json: bool) -> int:
    try:
        theirs = describe(read_document(file))
    except (UnreadableDocumentError, NotOpenAPIError) as error:
        raise click.ClickException(f"cannot read {file}: {error}") from None
    try:
        ours = describe(
            openapi_document() if contract_file is None else respelled_document(read_contract(contract_file))
        )
    except ContractFileError as error:
        raise click.ClickException(str(error)) from None
    differences = compare(ours, theirs)
    if as_json:
        result = {"equal": not differences, "differences": differences, "notes": theirs.notes}
        print_json_line(result)
    else:
        for note in theirs.notes:
            click.echo(_line(f"note: {note}"), err=True)
        _print_differences(ours, differences)
    return ExitCode.REFUSED if differences else ExitCode.DONE


@contract.command()
@click.option("--json", "as_json", is_flag=True, help="A JSON list instead of a table.")
def show(as_json: bool) -> None:
    """List the operations, and the client's methods that call them."""
    rows = [_row(operation) for operation in OPERATIONS]
    if as_json:
        print_json_line(rows)
        return
    console = SafeConsole() if sys.stdout.isatty() else SafeConsole.plain(180)
    console.print(_table(rows, wide=console.width >= _WIDE))


def _table(rows: Sequence[dict[str, Any]], *, wide: bool) -> Table:
    """Return a table that folds long cells, since half a path names nothing; a narrow one has the main columns."""
    names = ("method", "path", "tag", *(("group", "repeatability") if wide else ()), "client")
    table = Table(box=None, pad_edge=False)
    for name in names:
        table.add_column(name, overflow="fold", no_wrap=name in {"method", "tag"})
    for row in rows:
        cells = row | {"client": ", ".join(row["client"])}
        table.add_row(*(cells[name] for name in names))
    return table


def _row(operation: Operation[Any]) -> dict[str, Any]:
    return {
        "name": operation.name,
        "method": operation.method,
        "path": operation.path,
        "tag": operation.tag,
        "group": operation.group.value,
        "repeatability": operation.repeatability.value,
        "client": [f"client.{operation.name}", *_ALSO_SERVED.get(operation.name, ())],
    }


def _print_differences(ours: Description, differences: Sequence[Difference]) -> None:
    calls = {one.name: f"{one.method} {one.path}" for one in ours.operations}
    for operation, some in groupby(differences, key=lambda one: one.operation):
        click.echo(_line(f"{operation}  {calls[operation]}" if operation in calls else operation))
        for one in some:
            click.echo(_line(f"  {' ' if one.harmless else '!'} {one.tag or '-'}  {one.sentence}"))
    harmful = sum(not one.harmless for one in differences)
    if differences:
        click.echo(f"{len(differences)} differences, {harmful} of them can do harm (!)")
    else:
        click.echo(f"equal: {len(calls)} operations and no difference")


def _line(text: str) -> str:
    """Return text from a foreign file as one line of bounded length."""
    line = safe_text(" ".join(text.splitlines()))
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…"
