"""Destination and form of a command's rows: the options of all commands that give rows, and their one writer."""

from __future__ import annotations

import functools
import sys
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import click

from ...tabular.flat_rows import columns_of, flat_row
from ...text import printable
from ..documents import STDOUT, atomic_replace, output_option
from ..errors import ExitCode
from ..options import is_quiet, note, renamed_option, with_options
from ..output import Column, TablePrinter, as_fields, bytes_output, json_line, print_json_line
from .formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Mapping, Sequence
    from pathlib import Path

    from ...tabular.flat_rows import ColumnTypes
    from ..remote import Remote

T = TypeVar("T")
_ENDINGS = {f".{form}": form for form in ("csv", "jsonl", "parquet", "xlsx")}
ItemWriter: TypeAlias = "Callable[[Iterable[Any]], None]"


class RowKind(NamedTuple):
    """One kind of rows: their name, and the forms of an item: a flat row, all fields, and the columns of a table.

    The files of rows that are not ``private`` can be read by other users, as their folder says.
    """

    name: str
    plural: str
    columns: ColumnTypes
    shown: Sequence[Column]
    flat: Callable[[Any], Mapping[str, Any]] = flat_row
    fields: Callable[[Any], Mapping[str, Any]] = as_fields
    private: bool = True

    def only(self, names: Sequence[str]) -> RowKind:
        """Return the kind with only these columns, in every form.

        Raises:
            UsageError: There is no such column; the message names the nearest ones.
        """
        if not names:
            return self
        for name in names:
            if name not in self.columns:
                near = ", ".join(get_close_matches(name, self.columns, n=3) or self.columns)
                raise click.UsageError(f"no column {name!r}; there are {near}", click.get_current_context(silent=True))

        def value(name: str) -> Callable[[Any], object]:
            return lambda item: self.flat(item).get(name)

        def picked(item: Any) -> dict[str, Any]:
            row = self.flat(item)
            return {name: row.get(name) for name in names}

        shown = [Column(name, value(name), right=self.columns[name] == "count") for name in names]
        columns = {name: self.columns[name] for name in names}
        return self._replace(columns=columns, shown=shown, flat=picked, fields=picked)


def kind_of(struct: Any, name: str, plural: str, shown: Sequence[Column], *, private: bool = True) -> RowKind:
    """Return the kind of rows of a class of the contract."""
    return RowKind(name, plural, columns_of(struct), shown, private=private)


class RowTarget(NamedTuple):
    """The place of rows (``None`` or ``-``: standard output), their form if one was named, and the chosen columns."""

    path: Path | None = None
    form: str | None = None
    columns: tuple[str, ...] = ()

    @property
    def file(self) -> Path | None:
        """The file, if it is one."""
        return None if self.path == STDOUT else self.path

    def form_for(self, *, as_json: bool) -> str:
        """Return the form: ``table``, ``jsonl`` or one of :data:`.formats.FORMATS`."""
        if self.form is not None:
            return self.form
        if self.file is not None:
            return _ENDINGS.get(self.file.suffix.casefold(), "jsonl" if as_json else "csv")
        if as_json:
            return "jsonl"
        return "table" if self.path is None else "csv"


STANDARD_OUTPUT = RowTarget()


def _names(_context: click.Context, _option: click.Parameter, given: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (given or "").split(",") if name.strip())


def rows_options(*, required: bool = False, any_suffix: bool = False) -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Add ``-o``, ``--format`` and ``--columns``; the command receives ``target: RowTarget``."""

    def decorate(command: Callable[..., T]) -> Callable[..., T]:
        @functools.wraps(command)
        def made(*arguments: Any, output: Path | None, form: str | None, columns: tuple[str, ...], **own: Any) -> Any:
            file = None if output == STDOUT else output
            context = click.get_current_context()
            if file is not None and form is None and not any_suffix and file.suffix.casefold() not in _ENDINGS:
                raise click.UsageError(f"{file} ends in none of {', '.join(_ENDINGS)}: say --format", context)
            if file is not None and not file.parent.is_dir():
                raise click.UsageError(f"-o: there is no folder {file.parent}", context)
            return command(*arguments, target=RowTarget(output, form, columns), **own)

        return with_options(
            output_option("A file, or - for standard output; .csv, .jsonl, .parquet, .xlsx.", required=required),
            click.option("--format", "form", type=click.Choice([*_ENDINGS.values()]), help="In place of the suffix."),
            click.option("--columns", callback=_names, metavar="NAME,NAME", help="Only these, as CSV names them."),
        )(made)

    return decorate


def list_options(command: Callable[..., T]) -> Callable[..., T]:
    """Add ``--max-items`` and the options of rows; the command receives ``max_items`` and ``target``."""
    most = renamed_option("--max-items", "--limit", type=click.IntRange(1), metavar="N", help="At most N of them.")
    return most(rows_options()(command))


def _each(put: Callable[[Any], None]) -> ItemWriter:
    def write(items: Iterable[Any]) -> None:
        for item in items:
            put(item)

    return write


@contextmanager
def open_rows(target: RowTarget, kind: RowKind, *, as_json: bool) -> Generator[ItemWriter]:
    """Open the place of rows and give a function that writes some items.

    Raises:
        ClickException: A column does not exist, the file cannot be written, or a terminal cannot show the format.
    """
    form, kind = target.form_for(as_json=as_json), kind.only(target.columns)
    if form == "table":
        table = TablePrinter(kind.shown)
        try:
            yield _each(table.add)
        finally:
            table.close()
    elif form == "jsonl" and target.file is None:
        yield _each(lambda item: print_json_line(kind.fields(item)))
    elif target.file is None:
        if form != "csv" and sys.stdout.isatty():
            raise click.ClickException(f"standard output is a terminal, which cannot show .{form}: name a file with -o")
        with bytes_output() as stream, FORMATS[form](stream, kind.columns) as write:
            yield lambda items: write(map(kind.flat, items))
    else:
        with atomic_replace(target.file, private=kind.private) as file:
            if form == "jsonl":
                yield lambda items: file.writelines(json_line(kind.fields(item)).encode() + b"\n" for item in items)
            else:
                with FORMATS[form](file, kind.columns) as write:
                    yield lambda items: write(map(kind.flat, items))


async def print_rows(
    remote: Remote, target: RowTarget, batches: AsyncIterator[Sequence[Any]], kind: RowKind
) -> ExitCode:
    """Print or write items as they come, and tell their number where a person cannot see it."""
    count = 0
    with open_rows(target, kind, as_json=remote.as_json) as write:
        async for items in batches:
            write(items)
            count += len(items)
    if target.file is None:
        if not count and target.form_for(as_json=remote.as_json) == "table":
            note(f"no {kind.name} matches")
    elif remote.as_json:
        print_json_line({"file": str(target.file), kind.plural.replace(" ", "_"): count})
    elif not is_quiet():
        click.echo(printable(f"{target.file}: {count:,} {kind.name if count == 1 else kind.plural}"))
    return ExitCode.DONE


async def each_alone(items: AsyncIterator[Any]) -> AsyncIterator[Sequence[Any]]:
    """Yield items as batches of one."""
    async for item in items:
        yield (item,)
