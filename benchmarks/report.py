"""Tables on the terminal, JSON and plots on disk."""

from __future__ import annotations

import os
import platform
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from .options import Options
    from .rounds import Column, Result, Table

PACKAGES = (
    "aiohttp",
    "msgspec",
    "uvloop",
    "anyio",
    "httpx",
    "httpx2",
    "openai",
    "pydantic",
    "requests",
    "pyreqwest",
    "wreq",
    "orjson",
    "opentelemetry-sdk",
)


def text_of(table: Table) -> str:
    """Return the table as aligned text."""
    rows = [["", *(column.heading for column in table.columns)]]
    rows += [[subject, *(_cell(table, subject, column) for column in table.columns)] for subject in table.subjects()]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
    baseline = table.baseline()
    foot = "medians over the rounds [quartiles]" + (f"; ×: against {baseline}, within each round" if baseline else "")
    return "\n".join([table.title, "-" * len(lines[0]), *lines, foot])


def _cell(table: Table, subject: str, column: Column) -> str:
    value, quartiles = table.cell(subject, column), table.quartiles(subject, column)
    if value is None:
        return ""
    spread = "" if quartiles is None else f" [{'..'.join(f'{each:,.{column.decimals}f}' for each in quartiles)}]"
    return f"{value:,.{column.decimals}f}{spread}"


def summary_of(table: Table) -> dict[str, dict[str, float | None]]:
    """Return medians and ratios by subject and heading."""
    return {
        subject: {column.heading: table.cell(subject, column) for column in table.columns}
        for subject in table.subjects()
    }


def surroundings(options: Options) -> dict[str, Any]:
    """Return the surroundings of the measurement: versions, processors, options."""
    return {
        "python": sys.version.split()[0],
        "date": datetime.now(UTC).date().isoformat(),
        "platform": platform.platform(),
        "processor": _processor(),
        "processors": os.cpu_count(),
        "stub_processors": options.processors().stub,
        "client_processors": options.processors().client,
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else [],
        "packages": {name: found for name in PACKAGES if (found := _version(name)) is not None},
        "rounds": options.rounds,
        "seconds": options.seconds,
        "size": options.size,
        "in_flight": options.in_flight,
        "loop": options.loop,
    }


def heading_of(options: Options) -> str:
    """Return the surroundings in two lines."""
    known = surroundings(options)
    packages = ", ".join(f"{name} {number}" for name, number in known["packages"].items())
    load = f", load {known['load'][0]:.1f}" if known["load"] else ""
    return f"Python {known['python']}, {known['processors']} processors{load}, {options.rounds} rounds\n{packages}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def save(result: Result, options: Options, folder: Path) -> list[Path]:
    """Write the part's JSON and, if matplotlib is installed, its plots; return the written files."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "part": result.part,
        "surroundings": surroundings(options),
        "notes": result.notes,
        "tables": [
            {**msgspec.to_builtins(table), "summary": summary_of(table), "text": text_of(table)}
            for table in result.tables
        ],
        "lines": msgspec.to_builtins(result.lines),
    }
    written = [folder / f"{result.part}.json"]
    written[0].write_bytes(msgspec.json.format(msgspec.json.encode(content), indent=2))
    return written + (_draw(result, folder) if options.plots else [])


def _draw(result: Result, folder: Path) -> list[Path]:
    try:
        from . import plots
    except ImportError:
        return []
    written: list[Path] = []
    for table in result.tables:
        if table.plot:
            bars = {subject: table.median(subject, table.lead) or 0.0 for subject in table.subjects()}
            written.append(
                plots.bars(
                    folder / f"{result.part}-{table.name}.svg",
                    table.title,
                    table.heading(),
                    bars,
                    highlight=table.highlight,
                    baseline=table.baseline(),
                )
            )
    written += [plots.lines(folder / f"{result.part}-{lines.name}.svg", lines) for lines in result.lines]
    return written
