"""``octoffm contract adopt``: generate a contract file from an OpenAPI file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...contract.adoption import NothingToAdoptError, adopt
from ...contract.openapi.description import NotOpenAPIError
from ...text import printable
from ..documents import atomic_replace
from ..errors import ExitCode
from ..output import print_json_line
from .contract import OFFICIAL
from .yaml_reader import UnreadableDocumentError, read_document

if TYPE_CHECKING:
    from ...contract.adoption import Adoption


@click.command(
    "adopt",
    short_help="Generate a contract file from an OpenAPI file.",
    help=f"""Generate a contract file from an OpenAPI file, JSON or YAML.

    Octopia's own is at {OFFICIAL}. A contract file gives the API's spelling of the names that this package uses;
    clients, commands and the sandbox accept it. Names that differ only in case and separators are adopted, and so are
    well-known synonyms (marked in the file: read those lines again); units that a description names give the scale. A
    name that cannot be decided is in the file as a comment with its candidates, and is listed on standard error. Exits
    with 0 if nothing is open, with 1 if something is, with 2 if the file cannot be used.
    """,
)
@click.argument("file", metavar="OPENAPI", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to a file, such as contract.toml."
)
@click.option("--force", is_flag=True, help="Overwrite the file that is written.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings and the open names as one JSON object.")
def adopt_command(file: Path, output: Path | None, force: bool, as_json: bool) -> int:
    if output is not None and output.exists() and not force:
        raise click.ClickException(f"{output} exists; --force overwrites it")
    try:
        adoption = adopt(read_document(file))
    except (UnreadableDocumentError, NotOpenAPIError, NothingToAdoptError) as error:
        raise click.ClickException(f"cannot use {file}: {error}") from None
    if output is not None:
        with atomic_replace(output, private=False) as contract:
            contract.write(adoption.text.encode())
    if as_json:
        print_json_line(_result(adoption, output))
    else:
        if output is None:
            sys.stdout.write(adoption.text)
        _print_adoption(adoption)
    return ExitCode.DONE if adoption.complete else ExitCode.REFUSED


def _result(adoption: Adoption, output: Path | None) -> dict[str, object]:
    result: dict[str, object] = {
        "complete": adoption.complete,
        "operations": adoption.operations,
        "missing": adoption.missing,
        "open": adoption.open,
        "synonyms": [
            {"section": section, "name": name, "why": why.removeprefix("synonym: ")}
            for section, name, why in adoption.synonyms
        ],
        "notes": adoption.notes,
    }
    return result | ({"contract": adoption.text} if output is None else {"file": str(output)})


def _print_adoption(adoption: Adoption) -> None:
    """Print each open name and the totals on standard error."""
    for note in adoption.notes:
        click.echo(f"note: {printable(note)}", err=True)
    for one in adoption.open:
        click.echo(f"open: {printable(one.sentence)}", err=True)
        if one.cure:
            click.echo(f"      to decide it: {printable(f'[{one.section}] {one.cure}')}", err=True)
    total = adoption.operations + len(adoption.missing)
    click.echo(
        f"{adoption.operations} of {total} operations found, {len(adoption.synonyms)} names taken by a synonym, "
        f"{len(adoption.open)} things open",
        err=True,
    )
