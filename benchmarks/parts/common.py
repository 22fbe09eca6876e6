"""Columns, tables and notes that are shared by the parts which compare peers."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..peers import TUNED, installed, missing
from ..rounds import Column, Lines, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..bench import Bench, StubProcess, Work
    from ..child import Child, Loop
    from ..options import Options
    from ..peers import Entry
    from ..rounds import Case, Measured

VARIANT = " · "
"""The separator between the names of a peer and of its surroundings."""
OURS = [entry.name for entry in installed() if entry.ours]


def columns(unit: str, against: str | None = TUNED) -> list[Column]:
    """Return the columns of CPU and wall for one ``unit`` of work, both as ratios too, and of the stub's load."""
    decimals = 2 if unit == "stock" else 1
    figures = [Column("cpu", f"CPU µs/{unit}", decimals), Column("wall", f"wall µs/{unit}", decimals)]
    if against is not None:
        figures += [Column("cpu", "× CPU", 2, against), Column("wall", "× wall", 2, against)]
    return [*figures, Column("rate", f"{unit}s/s", 0), Column("busy", "stub busy %", 0)]


def peer_table(name: str, title: str, unit: str, measured: Measured) -> Table:
    """Return the table of one kind of work over several peers."""
    against = next((subject for subject in measured.figures if subject.partition(VARIANT)[0] == TUNED), None)
    return Table(
        name=name,
        title=title,
        columns=columns(unit, against),
        figures=measured.figures,
        order=measured.order,
        lead="cpu",
        highlight=[subject for subject in measured.figures if subject.partition(VARIANT)[0] in OURS],
    )


def compare(bench: Bench, stub: StubProcess, children: dict[str, Child], work: Work) -> Measured:
    """Measure these peers in interleaved rounds."""
    return bench.interleave([bench.case(name, child, stub, work) for name, child in children.items()])


def chosen(options: Options, kind: str | None = None) -> list[Entry]:
    """Return the peers that were asked for and can do this kind of work."""
    return installed(kind=kind, names=options.peers)


def notes(options: Options) -> list[str]:
    """Return notes on the peers, and the names of those that were left out."""
    said = [f"{entry.name}: {entry.note}" for entry in chosen(options) if entry.note]
    left_out = [] if options.peers else missing()
    return said + ([f"left out, not installed: {', '.join(left_out)}"] if left_out else [])


class Surroundings(NamedTuple):
    """The surroundings in which a peer is measured."""

    name: str
    stub: StubProcess
    loop: Loop
    latency: float = 0.0


def variants(bench: Bench, entries: Sequence[Entry], several: Sequence[Surroundings], work: Work) -> Measured:
    """Measure each peer in several surroundings, all in the same interleaved rounds."""
    cases: list[Case] = []
    for entry in entries:
        for each in several:
            child = bench.peers([entry], each.stub.target, loop=each.loop)[entry.name]
            name = f"{entry.name}{VARIANT}{each.name}"
            cases.append(bench.case(name, child, each.stub, work, latency=each.latency))
    return bench.interleave(cases)


def lines_of(tables: dict[float, Table], key: str, *, name: str, title: str, x_label: str, y_label: str) -> Lines:
    """Return one line for each subject: the median of ``key`` over the tables' x."""
    series: dict[str, list[tuple[float, float]]] = {}
    for x, table in tables.items():
        for subject in table.figures:
            if (median := table.median(subject, key)) is not None:
                series.setdefault(subject, []).append((x, median))
    return Lines(name=name, title=title, x_label=x_label, y_label=y_label, series=series, log_x=True, log_y=True)
