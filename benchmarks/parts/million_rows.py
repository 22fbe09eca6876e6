"""``octoffm products create FILE`` with 1,000,000 rows: rate and peak memory, straight through and interrupted twice.

The command and the sandbox are processes of their own. The interrupted job gets Ctrl-C after a third (and continues
with the command that it printed), ``kill -9`` after two thirds, and is then run again to its end. After each job, every
product must be in the sandbox once. ``--size`` is the number of rows.
"""

from __future__ import annotations

import asyncio
import csv
import itertools
import os
import re
import shlex
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from octoffm_async.contract.requests.validation import gtin_check_digit
from octoffm_async.sandbox import SandboxProcess

from ..measuring import MIB
from ..rounds import Column, Result, Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..options import Options

ROWS = 1_000_000
COMMAND = [sys.executable, "-m", "octoffm_async.cli"]
TITLES = Path(__file__).parents[2] / "examples" / "catalogue.csv"
HEADER = ("gtin", "seller_product_reference", "title", "length_cm", "width_cm", "height_cm", "weight_g")
BATCH = 100
"""Products of one call."""
LOOK = 0.1
"""Seconds between two looks at progress and memory."""
_COUNT = re.compile(r"^(created|created before) +([\d,]+)$", re.MULTILINE)
_AGAIN = re.compile(r"^  (octoffm .*)$", re.MULTILINE)


class Leg(NamedTuple):
    """One process of the command, from its start to its end."""

    seconds: float
    created: int
    known: int
    peak: float
    code: int
    again: str

    @property
    def figures(self) -> dict[str, list[float]]:
        """The figures for the table. For a killed process, the count of creations comes from the sandbox."""
        values = {"wall": self.seconds, "rate": self.created / self.seconds, "peak": self.peak}
        values |= {"created": self.created, "known": self.known, "code": self.code}
        return {name: [float(value)] for name, value in values.items()}


def catalogue(rows: int) -> Iterator[tuple[object, ...]]:
    """Yield products with the titles of the example's, and references, GTINs and measures of their own."""
    with TITLES.open(encoding="utf-8", newline="") as file:
        titles = [title for row in csv.DictReader(file) if (title := row["name"])]
    for number, title in zip(range(rows), itertools.cycle(titles), strict=False):
        body = f"2{number:011d}"
        measures = (10 + number % 50 / 2, 20, 30, 100 + number % 1900)
        yield (f"{body}{gtin_check_digit(body)}", f"SKU-{number:07d}", f"{title} {number}"[:132], *measures)


def write_catalogue(path: Path, rows: int) -> None:
    """Write a CSV file of ``rows`` products."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(catalogue(rows))


async def leg(
    sandbox: SandboxProcess,
    words: list[str],
    folder: Path,
    *,
    until: int | None = None,
    by: signal.Signals | None = None,
) -> Leg:
    """Run the command; with ``until``, send it a signal as soon as the sandbox has that many products."""
    before, started = await _registered(sandbox), time.monotonic()
    environment = {**os.environ, **sandbox.environment()}
    with (folder / "out").open("w+b") as out, (folder / "err").open("w+b") as err:
        process = await asyncio.create_subprocess_exec(*words, cwd=folder, env=environment, stdout=out, stderr=err)
        watching = asyncio.create_task(_watch(sandbox, process, until, by))
        code = await process.wait()
        seconds, peak = time.monotonic() - started, await watching
        out.seek(0)
        err.seek(0)
        told, complaints = out.read().decode(), err.read().decode()
    counts = {name: int(count.replace(",", "")) for name, count in _COUNT.findall(told)}
    created = counts.get("created", await _registered(sandbox) - before)
    if code not in {0, 130, -9}:
        raise RuntimeError(f"exit code {code}: {complaints}")
    again = _AGAIN.search(complaints)
    return Leg(seconds, created, counts.get("created before", 0), peak, code, again[1] if again else "")


async def _watch(
    sandbox: SandboxProcess, process: asyncio.subprocess.Process, until: int | None, by: signal.Signals | None
) -> float:
    """Return the peak memory of a process in MiB over its life, and send it the signal when it is due."""
    peak = 0.0
    while process.returncode is None:
        peak = max(peak, _peak_of(process.pid))
        if until is not None and by is not None and await _registered(sandbox) >= until:
            process.send_signal(by)
            until = None
        await asyncio.sleep(LOOK)
    return peak


def _peak_of(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0.0
    found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) * 1024 / MIB if found else 0.0


async def _registered(sandbox: SandboxProcess) -> int:
    answers = (await sandbox.stats())["by_operation"].get("products.create", {})
    return int(answers.get("202", 0)) * BATCH


async def straight(folder: Path, words: list[str], rows: int) -> dict[str, Leg]:
    """Run from the first row to the last."""
    async with SandboxProcess(seed=1) as sandbox:
        whole = await leg(sandbox, words, folder)
        await check(sandbox, rows)
    return {"straight through": whole}


async def interrupted(folder: Path, words: list[str], rows: int) -> dict[str, Leg]:
    """Run with Ctrl-C after a third, and ``kill -9`` after two."""
    async with SandboxProcess(seed=1) as sandbox:
        first = await leg(sandbox, words, folder, until=rows // 3, by=signal.SIGINT)
        printed = [*COMMAND, *shlex.split(first.again)[1:]]
        second = await leg(sandbox, printed, folder, until=2 * rows // 3, by=signal.SIGKILL)
        third = await leg(sandbox, words, folder)
        await check(sandbox, rows)
    return {"until Ctrl-C": first, "as it printed, until kill -9": second, "the same again, to the end": third}


async def check(sandbox: SandboxProcess, rows: int) -> None:
    """Check that every product exists, once."""
    products = (await sandbox.effects())["products"]
    if len(products) != rows or any(count != 1 for count in products.values()):
        raise RuntimeError(f"{len(products)} products instead of {rows}, or some of them twice")


async def measure(rows: int) -> dict[str, Leg]:
    """Run both jobs, one after the other."""
    legs: dict[str, Leg] = {}
    for job in (straight, interrupted):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_catalogue(folder / "catalogue.csv", rows)
            words = [*COMMAND, "products", "create", "catalogue.csv", "--journal", "night.journal", "--rate", "off"]
            legs |= await job(folder, words, rows)
    return legs


def run(options: Options) -> Result:
    """Run the part, see the module's docstring."""
    rows = options.size or ROWS
    legs = asyncio.run(measure(rows))
    table = Table(
        name="million-rows",
        title=f"octoffm products create, {rows:,} rows of CSV, with a journal and without a limit",
        columns=[
            Column("wall", "seconds"),
            Column("rate", "products/s", 0),
            Column("peak", "peak MiB"),
            Column("created", "created", 0),
            Column("known", "created before", 0),
            Column("code", "exit code", 0),
        ],
        figures={name: one.figures for name, one in legs.items()},
        order=list(legs),
        lead="wall",
        sort=False,
        plot=False,
    )
    notes = [
        f"the sandbox has {rows:,} products after each of the two jobs, none of them twice",
        "after kill -9, an item that is not found counts as absent 60 s after it was sent (--patience): the job waits",
    ]
    return Result(part="million_rows", tables=[table], notes=notes)
