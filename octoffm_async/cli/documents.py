"""Documents of the API as files, requests that are shown and not sent, and files that a command replaces."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

import click

from ..contract.contract_file.encoding import RequestEncoder
from ..contract.contract_file.translation import Translation
from ..disk.private_file import replacing_file, write_file, write_new_file
from ..errors import OctoffmError
from ..text import printable
from .errors import ExitCode
from .output import bytes_output, print_json_line, print_json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from ..contract.common import Document
    from ..contract.operations import Operation
    from .remote import Remote

F = TypeVar("F", bound="Callable[..., Any]")
STDOUT = Path("-")


def save_document(remote: Remote, document: Document, output: Path | None, *, of: str) -> None:
    """Write a document to ``output``, to standard output (``-``), or under its own name, which must be free.

    Only its owner can read it: a label has a customer's address.
    """
    if output == STDOUT:
        if sys.stdout.isatty():
            raise click.ClickException("standard output is a terminal: name a file with -o")
        with bytes_output() as stream:
            stream.write(document.content)
        return
    path = output or Path(document.file_name)
    try:
        if output is None:
            write_new_file(path, document.content)
        else:
            write_file(path, document.content)
    except FileExistsError:
        raise click.ClickException(f"{path} exists already: name the file with -o") from None
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from None
    size = len(document.content)
    if remote.as_json:
        print_json_line({"id": of, "file": str(path), "media_type": document.media_type, "bytes": size})
    else:
        click.echo(f"{printable(str(path))}: {document.media_type}, {size:,} bytes")


@contextmanager
def atomic_replace(path: Path, *, private: bool) -> Generator[BinaryIO]:
    """Give a file to write to; at the end it replaces ``path``, and after an error nothing remains of it.

    Raises:
        ClickException: The file cannot be written.
    """
    try:
        with replacing_file(path, private=private) as file:
            yield file
    except OctoffmError:  # a time-out of the API is an OSError too
        raise
    except OSError as error:
        raise click.ClickException(f"cannot write {path}: {error.strerror or error}") from None


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files into a folder, which is made if there is none."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"cannot make the folder {folder}: {error.strerror or error}") from None
    for name, content in files.items():
        with atomic_replace(folder / name, private=False) as file:
            file.write(content)


def output_option(help_text: str, *, required: bool = False) -> Callable[[F], F]:
    """Add ``-o FILE``; the command receives ``output: Path | None``."""
    path = click.Path(path_type=Path)
    return click.option("-o", "--output", type=path, required=required, metavar="FILE", help=help_text)


def dry_run_option(command: F) -> F:
    """Add ``--dry-run``; the command receives ``dry_run: bool``."""
    return click.option("--dry-run", is_flag=True, help="Check it and show what would be sent; send nothing.")(command)


def print_request(remote: Remote, operation: Operation[Any], body: object) -> int:
    """Print a request as it would be sent, under the API's names if a contract file gives some."""
    translation = Translation(remote.config.contract_file)
    call = f"{operation.method} {translation.path(operation)}"
    click.echo(f"octoffm: nothing was sent; this would be the body of {call}:", err=True)
    print_json_text(RequestEncoder(translation).encode(operation, body).decode())
    return ExitCode.DONE
