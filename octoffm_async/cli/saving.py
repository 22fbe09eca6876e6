"""Writing of documents and output files: complete or not at all."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..contract.encoding import RequestEncoder
from ..contract.translation import Translation
from ..errors import OctoffmError
from .exits import ExitCode
from .rows import print_json_line

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from ..contract.common import Document
    from ..contract.operations import Operation
    from .remote import Remote

F = TypeVar("F", bound="Callable[..., Any]")

STDOUT = Path("-")


def save_document(remote: Remote, document: Document, output: Path | None, *, of: str) -> None:
    """Write a document to ``output``, to standard output (``-``), or under its own name, which must be free."""
    if output == STDOUT:
        sys.stdout.buffer.write(document.content)
        sys.stdout.buffer.flush()
        return
    path = output or Path(document.file_name)
    if output is None and path.exists():
        raise click.ClickException(f"{path} exists already: name the file with -o")
    with atomic_replace(path) as partial:
        partial.write_bytes(document.content)
    size = len(document.content)
    if remote.as_json:
        print_json_line({"id": of, "file": str(path), "media_type": document.media_type, "bytes": size})
    else:
        click.echo(f"{path}: {document.media_type}, {size:,} bytes")


@contextmanager
def atomic_replace(path: Path) -> Generator[Path]:
    """Give a file beside ``path`` to write to; at the end it replaces ``path``, and after an error it is removed.

    Raises:
        ClickException: The file cannot be written.
    """
    partial = path.with_name(f"{path.name}.part")
    try:
        try:
            yield partial
            if path.is_dir():
                raise IsADirectoryError(21, "Is a directory")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OctoffmError:  # a time-out of the API is an OSError too
        raise
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from None


def output_option(
    help_text: str, *, required: bool = False, callback: Callable[..., Any] | None = None
) -> Callable[[F], F]:
    """Add ``-o FILE``; the command receives ``output: Path | None``."""
    return click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        required=required,
        callback=callback,
        metavar="FILE",
        help=help_text,
    )


def dry_run_option(command: F) -> F:
    """Add ``--dry-run``; the command receives ``dry_run: bool``."""
    return click.option("--dry-run", is_flag=True, help="Check it and show what would be sent; send nothing.")(command)


def print_request(remote: Remote, operation: Operation[Any], body: object) -> int:
    """Print a request as it would be sent, under the API's names if a contract file gives some."""
    translation = Translation(remote.config.contract_file)
    call = f"{operation.method} {translation.path(operation)}"
    click.echo(f"octoffm: nothing was sent; this would be the body of {call}:", err=True)
    sys.stdout.write(RequestEncoder(translation).encode(operation, body).decode() + "\n")
    return ExitCode.DONE
