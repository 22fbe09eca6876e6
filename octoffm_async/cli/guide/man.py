"""Manual pages of all commands, made of the parser itself: ``octoffm man DIR``, and ``man octoffm-orders-create``."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ...version import __version__
from ..documents import write_files
from .pages import ORDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_ENVIRONMENT = (
    ("OCTOFFM_CLIENT_ID, OCTOFFM_CLIENT_SECRET, OCTOFFM_SELLER_ID", "The credentials."),
    ("OCTOFFM_…", "Each setting has a variable: see octoffm config show."),
    ("NO_COLOR", "Not empty: no colours."),
)
_EXITS = (
    ("0", "All is done."),
    ("1", "Some were refused or failed."),
    ("2", "The command, a file or a setting is wrong; nothing was done."),
    ("3", "Some are undecided: they may have been carried out."),
    ("4", "An output could not be written, after something was done."),
    ("130, 141, 143", "Interrupted; the reader of the output has gone; terminated."),
)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def man(folder: Path) -> None:
    """Write a manual page of each command into DIR.

    \b
    octoffm man ~/.local/share/man/man1
    man octoffm-orders-create
    """
    group = click.get_current_context().find_root().command
    pages = {f"{name}.1": text.encode() for name, text in manual_pages(group)}
    write_files(folder, pages)
    click.echo(f"{folder / 'octoffm.1'}: {len(pages)} pages")


def commands_below(command: click.Command, path: str = "octoffm") -> Iterator[click.Context]:
    """Yield a context for the command, and for each below it; its ``info_name`` has all words of the command."""
    context = click.Context(command, info_name=path, help_option_names=["-h", "--help"])
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            if (below := command.get_command(context, name)) is not None and not below.hidden:
                yield from commands_below(below, f"{path} {name}")


def manual_pages(group: click.Command) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page: of the command, and of those below it."""
    for context in commands_below(group):
        path = str(context.info_name).split()
        yield "-".join(path), _page(context, path)


def _page(context: click.Context, path: list[str]) -> str:
    command = context.command
    name = "-".join(path)
    usage = " ".join(command.collect_usage_pieces(context))
    lines = [f'.TH "{name.upper()}" 1 "" "octoffm {__version__}"', ".SH NAME"]
    lines += [f"{_plain(name)} \\- {_plain(command.get_short_help_str(1000).rstrip('.'))}", ".SH SYNOPSIS"]
    lines += [f".B {_plain(' '.join(path))}", _plain(usage), ".SH DESCRIPTION", *_paragraphs(command.help or "")]
    if isinstance(command, click.Group):
        below = ((one, command.get_command(context, one)) for one in command.list_commands(context))
        lines += _list(
            "COMMANDS", [(f"{name}-{one}(1)", found.get_short_help_str(1000)) for one, found in below if found]
        )
    records = [record for one in command.get_params(context) if (record := one.get_help_record(context))]
    lines += _list("OPTIONS", records)
    if command.epilog:
        lines += [".SH MORE", *_paragraphs(command.epilog)]
    lines += _list("ENVIRONMENT", _ENVIRONMENT) + _list("EXIT STATUS", _EXITS)
    above = f"{_plain('-'.join(path[:-1]))}(1), " if path[1:] else ""
    return "\n".join([*lines, ".SH SEE ALSO", f"{above}octoffm guide ({', '.join(ORDER)})", ""])


def _list(title: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    lines = [f".SH {title}"]
    for term, text in rows:
        lines += [".TP", f".B {_plain(term)}", _plain(" ".join(text.split())) or "\\&"]
    return lines


def _paragraphs(text: str) -> list[str]:
    """Return a help text in paragraphs; those that begin with ``\\b`` keep their lines."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text).replace("\f", "")):
        if paragraph.startswith("\b"):
            lines += [".PP", ".nf", *map(_plain, paragraph.removeprefix("\b").strip("\n").splitlines()), ".fi"]
        elif paragraph.strip():
            lines += [".PP", _plain(" ".join(paragraph.split()))]
    return lines


def _plain(text: str) -> str:
    """Return text in which nothing is a request or an escape of roff."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("`", "\\(ga")
    return f"\\&{text}" if text[:1] in (".", "'") else text
