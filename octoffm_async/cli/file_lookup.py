"""``octoffm stocks lookup FILE``: the stock of each reference that a file lists."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import click
import msgspec

from ..bulk.outcomes import Found
from ..bulk.rejects import harmless
from ..client import FulfillmentClient
from ..tabular.items import Items
from ..tabular.mapping import save_mapping
from ..tabular.opening import open_table
from ..tabular.plan import plan_for
from ..tabular.targets import REFERENCES
from .fields import as_fields
from .file_bars import LimitShare, file_show
from .file_options import FileOptions, reading_options
from .file_tally import Tally, told_of
from .loop import run_async
from .rows import tell_json
from .saving import output_option, replacing
from .stocks_sinks import COLUMNS, row_of
from .text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from ..bulk.outcomes import Outcome, Summary
    from ..bulk.stocks import How
    from ..tabular.items import Faulty
    from ..tabular.rows import Row

Write: TypeAlias = "Callable[[Outcome, int | None], None]"


def _checked(context: click.Context, option: click.Parameter, given: Path) -> Path:
    if given.suffix.casefold() not in _SINKS:
        raise click.BadParameter(f"{given} ends in none of {', '.join(_SINKS)}", context, option)
    if not given.parent.is_dir():
        raise click.BadParameter(f"there is no folder {given.parent}", context, option)
    return given


@click.command()
@output_option("stocks.csv or .jsonl: the ending says what it becomes.", required=True, callback=_checked)
@click.option("--how", type=click.Choice(["auto", "get", "scan"]), default="auto", show_default=True, help="See below.")
@reading_options
def lookup(**options: Any) -> int:
    """Look up the stock of each reference in FILE: CSV, JSON lines (.jsonl), Parquet or XLSX.

    The column is seller_product_reference, or the one that --map seller_product_reference=COLUMN names. A reference
    that is unknown, or has no stock, has a row that says so. An older output file is replaced when all is written.

    The references are learned first; then each stock is asked for (get), or all are read (scan), whichever costs fewer
    calls (auto).

    Exits with 0 if all were found, 1 if some are missing, failed or are faulty in the file.
    """
    return run_async(_lookup(FileOptions(**options)))


async def _lookup(wanted: FileOptions) -> int:
    output = wanted.output
    assert output is not None  # noqa: S101  (the option is required)
    mapping = wanted.whole_mapping
    wanted.check_paths(journal=False)
    table = open_table(wanted.file, delimiter=wanted.delimiter, encoding=wanted.encoding)
    plan = plan_for(table, REFERENCES, mapping.columns, mapping.values)
    if wanted.save_mapping is not None:
        save_mapping(wanted.save_mapping, mapping)
    tally, show, limit = Tally(), file_show("Stocks", json=wanted.as_json), LimitShare()

    def faulty(one: Faulty) -> None:
        tally.faulty += 1
        for problem in one.problems:
            click.echo(f"{wanted.file}, {printable(str(problem))}", err=True)

    items = Items(table, plan, faulty, keep=True)
    how = cast("How", wanted.how)
    try:
        with replacing(output) as partial, _SINKS[output.suffix.casefold()](partial) as write:
            async with FulfillmentClient(wanted.config()) as client:

                def progress(summary: Summary) -> None:
                    show.progress(items.share, tally.titled, summary.per_second, limit(client.stats()))

                more = {} if wanted.concurrency is None else {"concurrency": wanted.concurrency}
                async with client.bulk.lookup_stocks(items, how=how, on_progress=progress, **more) as run:
                    async for outcome in run:
                        rows = items.let_go(outcome.key)
                        tally.add(told_of(outcome))
                        write(outcome, _line(rows))
                stats, seconds = client.stats(), run.summary.seconds
    finally:
        show.close()
        items.close()
    facts: dict[str, Any] = {"rows": items.rows, "calls": stats.calls, "seconds": round(seconds, 1)}
    facts["file"] = str(output)
    if wanted.as_json:
        tell_json({"event": "summary", "counts": tally.counts, **facts})
    else:
        show.end("stocks", tally.titled, facts)
    return tally.verdict(interrupted=False)


def _line(rows: tuple[Row, ...]) -> int | None:
    return rows[0].line if rows else None


@contextmanager
def _csv_sink(path: Path) -> Generator[Write]:
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("seller_product_reference", "outcome", "message", *COLUMNS))

        def write(outcome: Outcome, _line: int | None) -> None:
            told = told_of(outcome)
            cells: dict[str, Any] = row_of(outcome.stock) if isinstance(outcome, Found) else {}
            if cells.get("updated_at") is not None:
                cells["updated_at"] = cells["updated_at"].isoformat(timespec="seconds")
            row = [outcome.key, told.what, told.message, *(cells.get(name) for name in COLUMNS)]
            writer.writerow([cell if isinstance(cell, int) else harmless(cell) for cell in row])

        yield write


@contextmanager
def _json_sink(path: Path) -> Generator[Write]:

    encode = msgspec.json.Encoder().encode
    with path.open("wb") as file:

        def write(outcome: Outcome, line: int | None) -> None:
            told = told_of(outcome)
            fields: dict[str, Any] = {"seller_product_reference": outcome.key, "outcome": told.what, "line": line}
            if isinstance(outcome, Found):
                fields["stock"] = as_fields(outcome.stock)
            else:
                fields["message"] = told.message
            file.write(encode(fields) + b"\n")

        yield write


_SINKS = {".csv": _csv_sink, ".jsonl": _json_sink}
